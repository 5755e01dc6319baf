package bundles

import (
	"bytes"
	"io"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
	"github.com/open-policy-agent/opa/v1/bundle"

	"github.com/spire-gatehouse/gatehouse/internal/testbundles"
)

// TestReadUnverified: modules and data come out, whoever signed them and though the
// signature has run out.
func TestReadUnverified(t *testing.T) {
	const module = "package gatehouse.aws_iid\n"
	packed := testbundles.Build(t, testbundles.Spec{
		Files: map[string]string{"checks/owners.rego": module}, Data: map[string]any{"teams": []any{"web"}},
		Key: testbundles.NewKey(t), KeyID: "nobody's", Claims: map[string]any{"exp": 1},
	})
	files, err := ReadUnverified(bytes.NewReader(packed))
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"checks/owners.rego": module, "data.json": "{\"teams\":[\"web\"]}\n"}
	got := map[string]string{}
	for name, file := range files.(fstest.MapFS) {
		got[name] = string(file.Data)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestReadUnverifiedRefuses(t *testing.T) {
	var compiled bytes.Buffer
	if err := bundle.NewWriter(&compiled).Write(bundle.Bundle{
		Data: map[string]any{}, WasmModules: []bundle.WasmModuleFile{{URL: "/policy.wasm", Path: "/policy.wasm", Raw: []byte("x")}},
	}); err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		from io.Reader
		want string
	}{
		"no archive":  {strings.NewReader("this is not a bundle"), "bundle read failed: archive read failed: gzip: invalid header"},
		"too large":   {&endless{}, "the bundle is larger than 67108864 bytes"},
		"too many":    {archive(t, 10001, 0), "the archive has more than 10000 entries"},
		"delta":       {bytes.NewReader(testbundles.Delta(t, "/a", 1)), "the bundle is a delta bundle: only whole ones, snapshots, can be verified"},
		"WebAssembly": {&compiled, "the bundle holds compiled policy, WebAssembly or a plan, which would not be evaluated"},
	} {
		t.Run(name, func(t *testing.T) {
			files, err := ReadUnverified(tc.from)
			if files != nil || err == nil || err.Error() != tc.want {
				t.Errorf("got %v, %v, want %s", files, err, tc.want)
			}
		})
	}
}
