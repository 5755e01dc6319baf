// Package testbundles makes OPA bundles for tests, signed by OPA's own library, and
// serves them as a strict bundle service does.
//
// Start at Build and at NewServer.
package testbundles

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/bundle"
)

// Spec says what a bundle is made of.
type Spec struct {
	// Files has modules by their paths.
	Files map[string]string

	// Data is the bundle's data.
	Data map[string]any

	Revision string
	Roots    []string // nil to declare none

	// Key signs, as KeyID; nil for no signature. Claims are added to what is signed.
	Key    *Key
	KeyID  string
	Claims map[string]any
}

// Key is a signer's key, ES256.
type Key struct{ Private, Public string } // PEM

// NewKey makes a key.
func NewKey(t testing.TB) *Key {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	public, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	return &Key{
		Private: string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})),
		Public:  string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public})),
	}
}

// Build makes a bundle.
func Build(t testing.TB, spec Spec) []byte {
	t.Helper()
	b := bundle.Bundle{Manifest: bundle.Manifest{Revision: spec.Revision}, Data: spec.Data}
	if spec.Roots != nil {
		b.Manifest.Roots = &spec.Roots
	}
	if b.Data == nil {
		b.Data = map[string]any{}
	}
	b.Manifest.Init()
	for name, text := range spec.Files {
		// What doesn't parse can be in a bundle, too.
		parsed, _ := ast.ParseModuleWithOpts(name, text, ast.ParserOptions{RegoVersion: ast.RegoV1})
		b.Modules = append(b.Modules, bundle.ModuleFile{URL: name, Path: name, RelativePath: name, Raw: []byte(text), Parsed: parsed})
	}
	if spec.Key != nil {
		sign(t, &b, spec)
	}
	return write(t, b)
}

func sign(t testing.TB, b *bundle.Bundle, spec Spec) {
	t.Helper()
	claimsFile := ""
	if spec.Claims != nil {
		text, err := json.Marshal(spec.Claims)
		if err != nil {
			t.Fatal(err)
		}
		claimsFile = filepath.Join(t.TempDir(), "claims.json")
		if err := os.WriteFile(claimsFile, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	config := bundle.NewSigningConfig(spec.Key.Private, "ES256", claimsFile)
	if err := b.GenerateSignature(config, spec.KeyID, true); err != nil {
		t.Fatal(err)
	}
}

// Delta makes a delta bundle.
func Delta(t testing.TB, path string, value any) []byte {
	t.Helper()
	return write(t, bundle.Bundle{
		Patch: bundle.Patch{Data: []bundle.PatchOperation{{Op: "upsert", Path: path, Value: value}}},
	})
}

func write(t testing.TB, b bundle.Bundle) []byte {
	t.Helper()
	var out bytes.Buffer
	if err := bundle.NewWriter(&out).UseModulePath(true).DisableFormat(true).Write(b); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// KeyBlock is the key as a block of plugin_data.
func (k *Key) KeyBlock(name string) string {
	return "key \"" + name + "\" {\n algorithm = \"ES256\"\n key = <<EOF\n" + strings.TrimSuffix(k.Public, "\n") + "\nEOF\n}\n"
}

// Swap replaces one file of a bundle and leaves its signature.
func Swap(t testing.TB, archive []byte, name string, content []byte) []byte {
	t.Helper()
	unzip, err := gzip.NewReader(bytes.NewReader(archive))
	if err != nil {
		t.Fatal(err)
	}
	var entries []entry
	for r := tar.NewReader(unzip); ; {
		header, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		old, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		if strings.TrimPrefix(header.Name, "/") == name {
			old = content
		}
		entries = append(entries, entry{header.Name, old})
	}
	return pack(t, entries)
}

// Bomb packs data files of zeros, which take almost no room packed.
func Bomb(t testing.TB, files, size int) []byte {
	t.Helper()
	var entries []entry
	for n := range files {
		entries = append(entries, entry{fmt.Sprintf("/f%d/data.json", n), make([]byte, size)})
	}
	return pack(t, entries)
}

type entry struct {
	name    string
	content []byte
}

func pack(t testing.TB, entries []entry) []byte {
	t.Helper()
	var out bytes.Buffer
	zip := gzip.NewWriter(&out)
	archive := tar.NewWriter(zip)
	for _, e := range entries {
		header := &tar.Header{Name: e.name, Typeflag: tar.TypeReg, Mode: 0o600, Size: int64(len(e.content))}
		if err := archive.WriteHeader(header); err != nil {
			t.Fatal(err)
		}
		if _, err := archive.Write(e.content); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(archive.Close(), zip.Close()); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}
