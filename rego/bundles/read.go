package bundles

import (
	"bytes"
	"fmt"
	"io"
	"io/fs"

	"github.com/open-policy-agent/opa/v1/bundle"

	"github.com/spire-gatehouse/gatehouse/internal/recovered"
)

// ReadUnverified reads one bundle, within the bounds of those that a Source gets,
// and returns the same files as that would. The signature is not looked at: what
// comes of it must not be put in force.
func ReadUnverified(r io.Reader) (_ fs.FS, err error) {
	defer recovered.To(&err)
	archive, err := readArchive("the bundle", r)
	if err != nil {
		return nil, err
	}
	b, err := bundle.NewReader(bytes.NewReader(archive)).WithSkipBundleVerification(true).WithLazyLoadingMode(true).Read()
	if err != nil {
		return nil, err
	}
	f, err := filesOf(&b)
	if err != nil {
		return nil, fmt.Errorf("the bundle %w", err)
	}
	set, err := together(map[string]*files{"": f})
	return set.Files, err
}
