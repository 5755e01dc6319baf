package bundles_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/spire-gatehouse/gatehouse/internal/testbundles"
	"github.com/spire-gatehouse/gatehouse/internal/testwait"
	"github.com/spire-gatehouse/gatehouse/rego/bundles"
)

const own = "package gatehouse.aws_iid\n\nselector contains \"own\"\n"

// config is that of one bundle, of a path at a server.
func config(server, signing string, keys map[string]*testbundles.Key) bundles.Config {
	c := bundles.Config{
		Services: map[string]json.RawMessage{"s": json.RawMessage(fmt.Sprintf(`{"url": %q}`, server))},
		Keys:     map[string]json.RawMessage{},
		Bundles:  map[string]json.RawMessage{"b": json.RawMessage(`{"service": "s", "resource": "/b", "size_limit_bytes": 1000000, ` + signing + `"polling": {"min_delay_seconds": 1, "max_delay_seconds": 1}}`)},
	}
	for id, key := range keys {
		text, _ := json.Marshal(map[string]string{"key": key.Public, "algorithm": "ES256", "scope": "write"})
		c.Keys[id] = text
	}
	return c
}

// heard is what a source's owner heard.
type heard struct {
	sets    chan map[string]string // what sets were offered: contents by file, "" the revisions
	errs    chan error             // of Had
	notices chan string
}

// errBug stands for an owner that panics.
var errBug = errors.New("a bug")

// start starts a source whose owner refuses with that error.
func start(t *testing.T, c bundles.Config, refusal error) heard {
	t.Helper()
	h := heard{make(chan map[string]string, 100), make(chan error, 100), make(chan string, 100)}
	source, err := bundles.New(bundles.Options{
		Config: c,
		Accept: func(_ context.Context, set bundles.Set) error {
			h.sets <- contents(t, set)
			if refusal == errBug {
				panic("a bug")
			}
			return refusal
		},
		Had:    func(_ string, err error) { h.errs <- err },
		Notice: func(text string) { h.notices <- text },
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := source.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(source.Stop)
	return h
}

func contents(t *testing.T, set bundles.Set) map[string]string {
	all := map[string]string{"": fmt.Sprint(set.Revisions)}
	err := fs.WalkDir(set.Files, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := fs.ReadFile(set.Files, name)
		all[name] = string(text)
		return err
	})
	if err != nil {
		t.Error(err)
	}
	return all
}

func next[T any](t *testing.T, from chan T) T {
	t.Helper()
	return testwait.Receive(t, from, "nothing is heard")
}

func TestBundle(t *testing.T) {
	key, other := testbundles.NewKey(t), testbundles.NewKey(t)
	keys := map[string]*testbundles.Key{"release": key, "other": other}
	const signing = `"signing": {"keyid": "release"}, `
	spec := func(change func(*testbundles.Spec)) []byte {
		s := testbundles.Spec{
			Revision: "r1", Key: key, KeyID: "release", Claims: map[string]any{"scope": "write"},
			Files: map[string]string{"/own.rego": own},
			Data:  map[string]any{"acme": map[string]any{"n": 1}},
		}
		change(&s)
		return testbundles.Build(t, s)
	}
	good := spec(func(*testbundles.Spec) {})
	unsigned := spec(func(s *testbundles.Spec) { s.Key = nil })
	for name, tc := range map[string]struct {
		bundle  []byte
		signing string
		keys    map[string]*testbundles.Key
		refusal error
		want    string // in the error; empty for none
	}{
		"good":                             {bundle: good, signing: signing, keys: keys},
		"any key":                          {bundle: good, signing: `"signing": {}, `, keys: keys},
		"not to be signed":                 {bundle: unsigned},
		"declares its roots":               {bundle: spec(func(s *testbundles.Spec) { s.Roots = []string{"gatehouse/aws_iid", "acme"} }), signing: signing, keys: keys},
		"has not expired":                  {bundle: spec(func(s *testbundles.Spec) { s.Claims["exp"] = 4102444800 }), signing: signing, keys: keys},
		"refused by the owner":             {bundle: good, signing: signing, keys: keys, refusal: errors.New("own.rego:3: no"), want: "own.rego:3: no"},
		"a bug of the owner":               {bundle: good, signing: signing, keys: keys, refusal: errBug, want: "panic: a bug"},
		"unsigned":                         {bundle: unsigned, signing: signing, keys: keys, want: "bundle missing .signatures.json file"},
		"signed without a key":             {bundle: good, want: "verification key not provided"},
		"signed by another":                {bundle: spec(func(s *testbundles.Spec) { s.Key = other }), signing: signing, keys: keys, want: "failed to verify JWT signature"},
		"an unknown key's ID":              {bundle: spec(func(s *testbundles.Spec) { s.KeyID = "x"; s.Claims["keyid"] = "x" }), signing: `"signing": {}, `, keys: keys, want: "verification key corresponding to ID x not found"},
		"another scope":                    {bundle: spec(func(s *testbundles.Spec) { s.Claims["scope"] = "read" }), signing: signing, keys: keys, want: "scope mismatch"},
		"expired":                          {bundle: spec(func(s *testbundles.Spec) { s.Claims["exp"] = 1700000000 }), signing: signing, keys: keys, want: "its signature expired at 2023-11-14T22:13:20Z"},
		"changed":                          {bundle: testbundles.Swap(t, good, "own.rego", []byte(own+"#")), signing: signing, keys: keys, want: "own.rego: digest mismatch"},
		"data changed":                     {bundle: testbundles.Swap(t, good, "data.json", []byte(`{"acme": {"n": 2}}`)), signing: signing, keys: keys, want: "data.json: digest mismatch"},
		"a delta":                          {bundle: testbundles.Delta(t, "/acme/n", 2), want: "is a delta bundle"},
		"a delta where signatures must be": {bundle: testbundles.Delta(t, "/acme/n", 2), signing: signing, keys: keys, want: "delta bundles do not support signature verification"},
		"not Rego":                         {bundle: spec(func(s *testbundles.Spec) { s.Files["/x.rego"] = "package x\n\ny if {\n" }), signing: signing, keys: keys, want: "rego_parse_error: unexpected eof token"},
		"a large file":                     {bundle: spec(func(s *testbundles.Spec) { s.Files["/x.rego"] = "package x\n#" + strings.Repeat("x", 1e6) }), want: "/x.rego size (1000011 bytes) exceeds configured size_limit_bytes (1000000 bytes)"},
		"a package outside its roots":      {bundle: spec(func(s *testbundles.Spec) { s.Roots = []string{"acme"} }), signing: signing, keys: keys, want: "manifest roots [acme] do not permit 'package gatehouse.aws_iid' in module"},
		"data outside its roots":           {bundle: spec(func(s *testbundles.Spec) { s.Roots = []string{"gatehouse"} }), signing: signing, keys: keys, want: "manifest roots [gatehouse] do not permit data at path '/acme'"},
		"a path that leads out":            {bundle: testbundles.Swap(t, testbundles.Build(t, testbundles.Spec{Files: map[string]string{"/../x.rego": own}}), "", nil), want: `which is no path within it`},
		"no archive":                       {bundle: []byte("<html>sign in</html>"), want: "archive read failed: gzip: invalid header"},
		"half an archive":                  {bundle: good[:len(good)/2], want: "the archive: unexpected EOF"},
		"a large archive":                  {bundle: testbundles.Bomb(t, 65, 1<<20), want: "the archive unpacks to more than 67108864 bytes"},
		"an archive of many files":         {bundle: testbundles.Bomb(t, 10_001, 0), want: "the archive has more than 10000 entries"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := testbundles.NewServer(t)
			server.Publish("/b", tc.bundle)
			h := start(t, config(server.URL, tc.signing, tc.keys), tc.refusal)
			err := next(t, h.errs)
			if tc.want == "" {
				want := map[string]string{"": "map[b:r1]", "own.rego": own, "data.json": "{\"acme\":{\"n\":1}}\n"}
				if got := next(t, h.sets); err != nil || !reflect.DeepEqual(got, want) {
					t.Errorf("got %q, %v", got, err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want %s", err, tc.want)
			}
			if offered := len(h.sets); tc.refusal == nil && offered > 0 {
				t.Errorf("the owner was asked %d times", offered)
			}
		})
	}
}

// Once a bundle is taken the service is asked with its ETag, and answers that it
// is still the same; one that is refused is asked for without.
func TestETag(t *testing.T) {
	t.Parallel()
	server := testbundles.NewServer(t)
	bundle := testbundles.Build(t, testbundles.Spec{Files: map[string]string{"/own.rego": own}})
	for path, refusal := range map[string]error{"/good": nil, "/bad": errors.New("no")} {
		server.Publish(path, bundle)
		c := config(server.URL, "", nil)
		c.Bundles["b"] = json.RawMessage(strings.Replace(string(c.Bundles["b"]), "/b", path, 1))
		h := start(t, c, refusal)
		for range 3 {
			if err := next(t, h.errs); fmt.Sprint(err) != fmt.Sprint(refusal) {
				t.Errorf("%s: got %v", path, err)
			}
		}
	}
	if got := server.Answered("/good", 200); got != 1 {
		t.Errorf("the good one was sent %d times", got)
	}
	if got := server.Answered("/good", 304); got < 2 {
		t.Errorf("the good one was still the same %d times", got)
	}
	if got := server.Answered("/bad", 304); got != 0 {
		t.Errorf("the bad one was taken for had %d times", got)
	}
}

// A configuration that OPA doesn't take is refused by the name of the block.
func TestNewRefuses(t *testing.T) {
	raw := func(text string) map[string]json.RawMessage {
		return map[string]json.RawMessage{"n": json.RawMessage(text)}
	}
	good := config("http://127.0.0.1:1", "", nil)
	for name, tc := range map[string]struct {
		change func(*bundles.Config)
		want   string
	}{
		"service: wrong type": {func(c *bundles.Config) { c.Services = raw(`{"url": 1}`) }, `service "n": json: cannot unmarshal number into Go struct field Config.url of type string`},
		"service: two credentials": {func(c *bundles.Config) {
			c.Services = raw(`{"url": "http://x", "credentials": {"bearer": {"token": "secret-1"}, "gcp_metadata": {}}}`)
		}, `service "n": a maximum one credential method must be specified`},
		"service: bad credentials": {func(c *bundles.Config) {
			c.Services = raw(`{"url": "http://x", "credentials": {"oauth2": {"client_secret": "secret-1"}}}`)
		}, `service "n": token_url required to use https scheme`},
		"service: no file":        {func(c *bundles.Config) { c.Services = raw(`{"url": "http://x", "tls": {"ca_cert": "/none"}}`) }, `service "n": open /none: no such file or directory`},
		"key: none in it":         {func(c *bundles.Config) { c.Keys = raw(`{}`) }, `key "n": invalid keys configuration: no keys provided for key ID n`},
		"key: algorithm":          {func(c *bundles.Config) { c.Keys = raw(`{"key": "secret-1", "algorithm": "none"}`) }, `key "n": unsupported algorithm 'none'`},
		"bundle: unknown service": {func(c *bundles.Config) { c.Bundles = raw(`{"service": "x"}`) }, `bundle "n": invalid configuration for bundle "n": service name "x" not found`},
		"bundle: polling": {func(c *bundles.Config) {
			c.Bundles = raw(`{"service": "s", "polling": {"min_delay_seconds": 2, "max_delay_seconds": 1}}`)
		}, `bundle "n": invalid configuration for bundle "n": max polling delay must be >= min polling delay`},
		"bundle: unknown key": {func(c *bundles.Config) { c.Bundles = raw(`{"service": "s", "signing": {"keyid": "x"}}`) }, `bundle "n": invalid configuration for bundle "n": key id x not found`},
	} {
		t.Run(name, func(t *testing.T) {
			c := good
			tc.change(&c)
			_, err := bundles.New(bundles.Options{Config: c})
			if err == nil || err.Error() != tc.want {
				t.Errorf("got %v, want %s", err, tc.want)
			}
		})
	}
}

// Where nothing can be persisted nothing is started.
func TestPersistenceIsTried(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	c := config("http://127.0.0.1:1", "", nil)
	c.PersistenceDirectory = filepath.Join(file, "below")
	source, err := bundles.New(bundles.Options{Config: c})
	if err != nil {
		t.Fatal(err)
	}
	if err := source.Start(t.Context()); err == nil || err.Error() != "persistence_directory: mkdir "+file+": not a directory" {
		t.Errorf("got %v", err)
	}
}
