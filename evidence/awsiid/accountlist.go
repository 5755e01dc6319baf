package awsiid

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
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
	var ids []string
	if err := json.Unmarshal(data, &ids); err != nil {
		return nil, fmt.Errorf("account list %s: not a JSON array of account IDs: %w", path, err)
	}
	if ids == nil {
		return nil, fmt.Errorf("account list %s: not a JSON array of account IDs", path)
	}
	accounts := make(map[string]Organization, len(ids))
	for i, id := range ids {
		if !accountPattern.MatchString(id) {
			return nil, fmt.Errorf("account list %s: entry %d is not an account ID of 12 digits", path, i+1)
		}
		accounts[id] = Organization{AccountID: id, Source: SourceFile}
	}
	return accounts, nil
}

// readBounded reads a regular file; opening any other could take for ever.
func readBounded(path string, limit int64) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is not a file", path)
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	data, err := io.ReadAll(io.LimitReader(file, limit+1))
	if err = errors.Join(err, file.Close()); err != nil {
		return nil, err
	}
	if int64(len(data)) > limit {
		return nil, fmt.Errorf("%s has more than %d bytes", path, limit)
	}
	return data, nil
}
