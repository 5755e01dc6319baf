package rego

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io/fs"
	"testing/fstest" // of the standard library: the one file system in memory

	"github.com/open-policy-agent/opa/v1/util"
)

// revision hashes all that decides: the plugin, every file with its path, and
// the configuration. Lengths go first, so that no two contents hash alike.
func revision(plugin string, files map[string][]byte, config []byte) string {
	hash := sha256.New()
	write := func(part []byte) {
		var length [8]byte
		binary.BigEndian.PutUint64(length[:], uint64(len(part)))
		hash.Write(length[:])
		hash.Write(part)
	}
	write([]byte(plugin))
	write(config)
	for _, name := range util.KeysSorted(files) {
		write([]byte(name))
		write(files[name])
	}
	return hex.EncodeToString(hash.Sum(nil))
}

// Digest identifies the files of a policy that count: the same for the same
// content. It reads all of them, within New's bounds, and looks at none.
func Digest(policy fs.FS) (string, error) {
	files, err := readFiles(policy)
	if err != nil {
		return "", fmt.Errorf("rego: reading policy: %w", err)
	}
	return revision("", files, nil), nil
}

// Frozen returns the files of a policy that count, as they are now, within New's bounds:
// who makes several engines of a directory wants the same policy in each.
func Frozen(policy fs.FS) (fs.FS, error) {
	files, err := readFiles(policy)
	if err != nil {
		return nil, fmt.Errorf("rego: reading policy: %w", err)
	}
	tree := fstest.MapFS{}
	for name, content := range files {
		tree[name] = &fstest.MapFile{Data: content}
	}
	return tree, nil
}

// marshalConfig writes the configuration with its keys in order.
func marshalConfig(config map[string]any) ([]byte, error) {
	if config == nil {
		config = map[string]any{}
	}
	return json.Marshal(config)
}
