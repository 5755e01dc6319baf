package policies_test

import (
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/spire-gatehouse/gatehouse/policies"
)

// contents reads all files of a tree.
func contents(t *testing.T, fsys fs.FS) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := fs.WalkDir(fsys, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := fs.ReadFile(fsys, name)
		all[name] = string(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// The whole tree is compared: what is not said to differ is the baseline's.
func TestOver(t *testing.T) {
	for name, tc := range map[string]struct {
		dir  map[string]string
		gone []string
	}{
		"empty":                        {},
		"a file is added":              {dir: map[string]string{"gatehouse/aws_iid/age.rego": "age", "data.yaml": "x: 1", "README.md": "read"}},
		"a rule goes with its test":    {dir: map[string]string{"gatehouse/aws_iid/tofu.rego": "new"}, gone: []string{"gatehouse/aws_iid/tofu_test.rego"}},
		"a rule comes with its test":   {dir: map[string]string{"gatehouse/aws_iid/tofu.rego": "new", "gatehouse/aws_iid/tofu_test.rego": "new test"}},
		"a test alone":                 {dir: map[string]string{"gatehouse/aws_iid/tofu_test.rego": "new test"}},
		"a schema":                     {dir: map[string]string{"schemas/own.json": "{}"}},
		"a file of the same last name": {dir: map[string]string{"tofu.rego": "another"}},
	} {
		t.Run(name, func(t *testing.T) {
			dir := fstest.MapFS{
				".hidden.rego":     {Data: []byte("hidden")},
				"..2026/tofu.rego": {Data: []byte("hidden")},
			}
			for file, text := range tc.dir {
				dir[file] = &fstest.MapFile{Data: []byte(text)}
			}
			want := contents(t, policies.Baseline())
			maps.Copy(want, tc.dir)
			for _, file := range tc.gone {
				delete(want, file)
			}
			overlay := policies.Over(dir)
			if diff := cmp.Diff(want, contents(t, overlay)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			for file := range want {
				if _, own := tc.dir[file]; overlay.Own(file) != own {
					t.Errorf("%s: own is %v", file, !own)
				}
			}
			if err := fstest.TestFS(overlay, slices.Collect(maps.Keys(want))...); err != nil {
				t.Error(err)
			}
		})
	}
}

// Alone, a directory has the schemas under it and nothing else.
func TestAlone(t *testing.T) {
	want := map[string]string{"a/b.rego": "rule", "schemas/own.json": "{}"}
	for name, text := range contents(t, policies.Baseline()) {
		if filepath.Dir(name) == "schemas" && want[name] == "" {
			want[name] = text
		}
	}
	got := contents(t, policies.Alone(fstest.MapFS{
		"a/b.rego":         {Data: []byte("rule")},
		"schemas/own.json": {Data: []byte("{}")},
	}))
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestOwnSchemas: what the fields of a policy are checked against can't be taken away,
// neither by a file nor by a link, over the baseline or alone.
func TestOwnSchemas(t *testing.T) {
	const want = "open schemas/aws_iid.json: is at the path of a schema of Gatehouse's, which can't be replaced: remove it, or give it another name"
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "schemas"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "true"), []byte("true"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("../true", filepath.Join(dir, "schemas", "aws_iid.json")); err != nil {
		t.Fatal(err)
	}
	for _, overlay := range []*policies.Overlay{policies.Over(os.DirFS(dir)), policies.Alone(os.DirFS(dir)), policies.Over(fstest.MapFS{"schemas/aws_iid.json": {Data: []byte("{}")}})} {
		if _, err := fs.ReadFile(overlay, "schemas/aws_iid.json"); err == nil || err.Error() != want {
			t.Errorf("got %v", err)
		}
		if _, err := fs.ReadFile(overlay, "schemas/azure_msi.json"); err != nil {
			t.Errorf("another one: %v", err)
		}
	}
}

// Kubernetes mounts a ConfigMap as links into a hidden folder that is a link
// itself: to files, and to folders where an item's path has one.
// Only rules count that decide: neither tests nor schemas, nor another plugin's rules.
func TestReplaced(t *testing.T) {
	dir := fstest.MapFS{}
	for _, name := range []string{
		"gatehouse/aws_iid/tofu.rego", "gatehouse/aws_iid/account_test.rego", "gatehouse/aws_iid/own.rego",
		"gatehouse/azure_msi/tenant.rego", "tofu.rego", "schemas/aws_iid.json",
	} {
		dir[name] = &fstest.MapFile{}
	}
	for plugin, want := range map[string][]string{
		"aws_iid": {"gatehouse/aws_iid/tofu.rego"}, "azure_msi": {"gatehouse/azure_msi/tenant.rego"}, "gcp_iit": {},
	} {
		if got := policies.Over(dir).Replaced(plugin); !slices.Equal(got, want) {
			t.Errorf("%s: got %q, want %q", plugin, got, want)
		}
	}
	want := slices.DeleteFunc(slices.Sorted(maps.Keys(contents(t, policies.Baseline()))), func(name string) bool {
		return !strings.HasPrefix(name, "gatehouse/azure_msi/") || strings.HasSuffix(name, "_test.rego")
	})
	if got := policies.Alone(dir).Replaced("azure_msi"); !slices.Equal(got, want) || len(want) < 10 {
		t.Errorf("alone: got %q, want %q", got, want)
	}
}

func TestOverFollowsKubernetesLinks(t *testing.T) {
	dir := t.TempDir()
	hidden := filepath.Join(dir, "..2026_11_21")
	for file, text := range map[string]string{"age.rego": "age", "gatehouse/aws_iid/tofu.rego": "new"} {
		file = filepath.Join(hidden, file)
		if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o755), os.WriteFile(file, []byte(text), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	for link, to := range map[string]string{"..data": "..2026_11_21", "age.rego": "..data/age.rego", "gatehouse": "..data/gatehouse"} {
		if err := os.Symlink(to, filepath.Join(dir, link)); err != nil {
			t.Fatal(err)
		}
	}
	want := contents(t, policies.Baseline())
	want["age.rego"], want["gatehouse/aws_iid/tofu.rego"] = "age", "new"
	delete(want, "gatehouse/aws_iid/tofu_test.rego")
	if diff := cmp.Diff(want, contents(t, policies.Over(os.DirFS(dir)))); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// What can't be read must not look like the baseline.
func TestOverReportsWhatCannotBeRead(t *testing.T) {
	dir := t.TempDir()
	if err := os.Symlink("nowhere", filepath.Join(dir, "dangling.rego")); err != nil {
		t.Fatal(err)
	}
	for name, dir := range map[string]string{"dangling link": dir, "no directory": filepath.Join(dir, "none")} {
		if _, err := fs.ReadDir(policies.Over(os.DirFS(dir)), "."); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestEmptyOverlay(t *testing.T) {
	for name, tc := range map[string]struct {
		dir  fstest.MapFS
		want bool
	}{
		"nothing":           {fstest.MapFS{}, true},
		"hidden files":      {fstest.MapFS{".x.rego": {}, "..2026/tofu.rego": {}}, true},
		"folders":           {fstest.MapFS{"gatehouse/aws_iid": {Mode: fs.ModeDir}}, true},
		"a rule":            {fstest.MapFS{"gatehouse/aws_iid/tofu.rego": {}}, false},
		"data":              {fstest.MapFS{"acme/data.json": {}}, false},
		"a replaced schema": {fstest.MapFS{"schemas/aws_iid.json": {}}, false},
	} {
		t.Run(name, func(t *testing.T) {
			for _, overlay := range []*policies.Overlay{policies.Over(tc.dir), policies.Alone(tc.dir)} {
				if got, err := overlay.Empty(); got != tc.want || err != nil {
					t.Errorf("got %v, %v, want %v", got, err, tc.want)
				}
			}
		})
	}
}
