package awsiid

import (
	"encoding/json"
	"errors"
	"fmt"
)

// CheckAccountList reports what is wrong with an account list file, for those who
// configure one.
func CheckAccountList(path string) error {
	_, err := readAccountList(path)
	return err
}

// readAccountList reads a file with a JSON array of account IDs, as SPIRE's
// built-in plugin takes it.
func readAccountList(path string) (map[string]Organization, error) {
	data, err := readBounded(path, maxAccountList)
	if err != nil {
		return nil, fmt.Errorf("account list: %w", err)
	}
	accounts, err := parseAccountList(data)
	if err != nil {
		return nil, fmt.Errorf("account list %s: %w", path, err)
	}
	return accounts, nil
}

func parseAccountList(data []byte) (map[string]Organization, error) {
	var ids []string
	if err := json.Unmarshal(data, &ids); err != nil {
		return nil, fmt.Errorf("not a JSON array of account IDs: %w", err)
	}
	if ids == nil {
		return nil, errors.New("not a JSON array of account IDs")
	}
	accounts := make(map[string]Organization, len(ids))
	for i, id := range ids {
		if !IsAccountID(id) {
			return nil, fmt.Errorf("entry %d is not an account ID of 12 digits", i+1)
		}
		accounts[id] = Organization{AccountID: id, Source: SourceFile}
	}
	return accounts, nil
}
