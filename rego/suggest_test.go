package rego_test

import (
	"io"
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/spire-gatehouse/gatehouse/policies"
	"github.com/spire-gatehouse/gatehouse/rego"
)

// What isn't there is named together with what is and may have been meant.
func TestNearestNames(t *testing.T) {
	const head = "package gatehouse.aws_iid\n\n"
	for name, tc := range map[string]struct{ rule, want string }{
		"field of the input":         {`selector contains input.evidence.acount_id`, "undefined ref: input.evidence.acount_id; did you mean input.evidence.account_id?"},
		"field at the top":           {`selector contains input.tmie`, "undefined ref: input.tmie; did you mean input.time?"},
		"field of a fact":            {`selector contains input.facts.instance.sate`, "did you mean input.facts.instance.state?"},
		"field of the configuration": {`selector contains "x" if data.gatehouse.config.partion == "aws"`, "did you mean data.gatehouse.config.partition?"},
		"two as near":                {"_aab := 1\n\n_abb := 1\n\nselector contains \"x\" if _acb == 1", "var _acb is unsafe; did you mean _aab or _abb?"},
		"rule":                       {`selector contains "x" if "y" in selectr`, "var selectr is unsafe; did you mean selector?"},
		"import":                     {"import data.acme.lists\n\nselector contains lists.x\n\nselector contains list.y", "var list is unsafe; did you mean lists?"},
		"function":                   {"_young(time) if time > 1\n\nselector contains \"x\" if _yuong(2)", "undefined function _yuong; did you mean _young?"},
		"function of a package":      {"import data.acme.ages\n\nselector contains \"x\" if ages.yuong(2)", "undefined function data.acme.ages.yuong; did you mean data.acme.ages.young?"},
		"built-in":                   {`selector contains "x" if startwith(input.evidence.region, "eu")`, "undefined function startwith; did you mean startswith?"},
		"built-in with a dot":        {`selector contains "x" if time.parse_rfc339_ns(input.time) > 1`, "undefined function time.parse_rfc339_ns; did you mean time.parse_rfc3339_ns?"},
		"rule that nothing reads":    {`violations contains {"rule": "x", "msg": "x"}`, "own.rego:3: nothing reads rule violations; did you mean violation?"},
		"answer that nothing reads":  {`agent_paht := "/spire/agent/aws_iid/x"`, "own.rego:3: nothing reads rule agent_paht; did you mean agent_path?"},
		"nothing near":               {`selector contains input.evidence.colour`, "undefined ref: input.evidence.colour\n"},
	} {
		t.Run(name, func(t *testing.T) {
			own := fstest.MapFS{
				"own.rego":  {Data: []byte(head + tc.rule + "\n")},
				"ages.rego": {Data: []byte("package acme.ages\n\nyoung(time) if time > 1\n")},
			}
			_, err := rego.New(t.Context(), rego.Options{Plugin: "aws_iid", Policy: policies.Over(own)})
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want %s", err, tc.want)
			}
		})
	}
}

// A rule of one's own may be called anything that isn't almost a name of the
// contract, and anything at all if something reads it.
func TestOwnNames(t *testing.T) {
	own := fstest.MapFS{"own.rego": {Data: []byte(`package gatehouse.aws_iid

selectors contains "own"

selector contains value if some value in selectors

helper := 1
`)}}
	if _, err := rego.New(t.Context(), rego.Options{Plugin: "aws_iid", Policy: policies.Over(own)}); err != nil {
		t.Error(err)
	}
}

// A file that is too large is not read to its end.
func TestLargeFileIsNotRead(t *testing.T) {
	read := 0
	_, err := rego.Digest(endless{&read})
	if want := "data.json: is larger than 4194304 bytes"; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("got %v, want %s", err, want)
	}
	if read > 2*rego.MaxPolicyFileBytes {
		t.Errorf("read %d bytes", read)
	}
}

// endless is a directory with a file that never ends.
type endless struct{ read *int }

func (e endless) Open(name string) (fs.File, error) {
	dir := fstest.MapFS{"data.json": {Data: []byte("{}")}}
	file, err := dir.Open(name)
	if name == "data.json" {
		return endlessFile{file, e.read}, err
	}
	return file, err
}

type endlessFile struct {
	fs.File
	read *int
}

func (f endlessFile) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = ' '
	}
	*f.read += len(p)
	return len(p), nil
}

var _ io.Reader = endlessFile{}
