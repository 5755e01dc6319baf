package configcheck

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"

	"github.com/spire-gatehouse/gatehouse/attestor/serverconf"
)

// binaryProblem is what is wrong with a program, and the key to look at.
type binaryProblem struct{ key, msg string }

// binary looks at the program that SPIRE would start, as SPIRE does: at its
// checksum only if one is configured.
func (c *checker) binary(p serverconf.Plugin) (*Binary, *binaryProblem) {
	if p.Command == "" {
		return nil, &binaryProblem{"plugin_cmd", "is missing: this is SPIRE's own plugin"}
	}
	b := &Binary{Path: p.Command, Configured: p.Checksum, Skipped: c.opts.NoBinary}
	configured, err := hex.DecodeString(p.Checksum)
	if p.Checksum != "" && (err != nil || len(configured) != sha256.Size) {
		return b, &binaryProblem{"plugin_checksum", "is no SHA-256 checksum, which has 64 hexadecimal digits"}
	}
	if b.Skipped {
		return b, nil
	}
	path, err := exec.LookPath(p.Command)
	if err != nil {
		return b, &binaryProblem{"plugin_cmd", fmt.Sprintf("can't be started: %v; if the program is on another machine, use --no-binary", err)}
	}
	if b.Checksum, err = Checksum(path); err != nil {
		return b, &binaryProblem{"plugin_cmd", err.Error()}
	}
	if p.Checksum != "" && !strings.EqualFold(b.Checksum, p.Checksum) {
		return b, &binaryProblem{"plugin_checksum", "is not that of the program, which is " + b.Checksum}
	}
	return b, nil
}

// Checksum is what SPIRE compares with plugin_checksum before it starts a program.
func Checksum(program string) (string, error) {
	f, err := os.Open(program)
	if err != nil {
		return "", fmt.Errorf("checksum of the program: %w", err)
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", fmt.Errorf("checksum of the program: %w", err)
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}
