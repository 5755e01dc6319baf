package attestor

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/spire-gatehouse/gatehouse/attestor/decisionlog"
	"github.com/spire-gatehouse/gatehouse/attestor/plugindata"
)

// decodedLog decodes the block decision_log of plugin_data.
func decodedLog(text string) (decisionLogConfig, []plugindata.Problem) {
	o := plugindata.Parse(text)
	c := decodeDecisionLog(o)
	return c, o.Problems()
}

const collectorService = `service "collector" { url = "https://logs.example.org" }` + "\n"

func TestDecisionLogConfig(t *testing.T) {
	for name, tc := range map[string]struct {
		text   string
		want   decisionlog.Config // without Upload
		upload string             // JSON of decision_logs
	}{
		"none": {},
		"file": {
			text: `decision_log { file { path = "/d.jsonl" } }`,
			want: decisionlog.Config{File: &decisionlog.File{Path: "/d.jsonl", MaxBytes: 100 << 20, MaxFiles: 10}},
		},
		"file, all keys": {
			text: `decision_log { file { path = "/d.jsonl" max_size_mb = 5 max_files = 0 max_days = 30 compress = true } }`,
			want: decisionlog.Config{File: &decisionlog.File{Path: "/d.jsonl", MaxBytes: 5 << 20, MaxDays: 30, Compress: true}},
		},
		"console": {text: `decision_log { console = true }`, want: decisionlog.Config{Console: true}},
		"upload": {
			text: `decision_log { ` + collectorService + ` upload { service = "collector" } }`,
			upload: `{"reporting":{"buffer_size_limit_bytes":33554432,"max_delay_seconds":10,"min_delay_seconds":5,` +
				`"upload_size_limit_bytes":1048576},"service":"collector"}`,
		},
		"upload, other keys": {
			text: `decision_log { ` + collectorService + ` upload { service = "collector" partition_name = "p" reporting {
				buffer_type = "event" buffer_size_limit_events = 7 max_decisions_per_second = 2.5 upload_size_limit_bytes = 1000
				min_delay_seconds = 1 max_delay_seconds = 2 trigger = "immediate" } } }`,
			upload: `{"partition_name":"p","reporting":{"buffer_size_limit_events":7,"buffer_type":"event","max_decisions_per_second":2.5,` +
				`"max_delay_seconds":2,"min_delay_seconds":1,"trigger":"immediate","upload_size_limit_bytes":1000},"service":"collector"}`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			c, problems := decodedLog(tc.text)
			if len(problems) > 0 {
				t.Fatal(problems)
			}
			got := c.sinks()
			var upload string
			if got.Upload != nil {
				upload = string(got.Upload.DecisionLogs)
				var services map[string]map[string]any
				if err := json.Unmarshal(got.Upload.Services, &services); err != nil || services["collector"]["url"] != "https://logs.example.org" {
					t.Errorf("services %s, %v", got.Upload.Services, err)
				}
				got.Upload = nil
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if upload != tc.upload {
				t.Errorf("decision_logs\n%s, want\n%s", upload, tc.upload)
			}
		})
	}
}

func TestDecisionLogConfigRefuses(t *testing.T) {
	upload := func(text string) string { return collectorService + `upload { service = "collector" ` + text + ` }` }
	for name, tc := range map[string]struct{ text, want string }{
		"nothing":         {``, "decision_log: says not where to: add file, console = true or upload, or remove the block"},
		"console off":     {`console = false`, "decision_log: says not where to: add file, console = true or upload, or remove the block"},
		"no path":         {`file {}`, "decision_log.file.path: is missing: name the file to write decisions to"},
		"size of nothing": {`file { path = "/d" max_size_mb = 0 }`, "decision_log.file.max_size_mb: want a whole number, 1 or more"},
		"size of all":     {`file { path = "/d" max_size_mb = 9999999 }`, "decision_log.file.max_size_mb: must not be more than 1048576"},
		"misspelt":        {`file { path = "/d" max_file = 1 }`, `decision_log.file.max_file: unknown key; did you mean "max_files"?`},
		"no service":      {`upload {}`, "decision_log.upload.service: must name a service block of the block decision_log"},
		"another service": {`upload { service = "x" }` + "\n" + collectorService, "decision_log.upload.service: must name a service block of the block decision_log"},
		"service alone":   {"console = true\n" + collectorService, "decision_log.service: is of no use without the block upload"},
		"misspelt upload": {upload(`resorce = "/x"`), `decision_log.upload.resorce: unknown key; did you mean "resource"?`},
		"unbounded":       {upload(`reporting { max_decisions_per_second = 1 }`), `decision_log.upload.reporting.max_decisions_per_second: needs buffer_type = "event": OPA bounds no other buffer together with it`},
		"no rate":         {upload(`reporting { buffer_type = "event" max_decisions_per_second = "x" }`), "decision_log.upload.reporting.max_decisions_per_second: want a number, more than 0"},
		"manual":          {upload(`reporting { trigger = "manual" }`), `decision_log.upload.reporting.trigger: must be "periodic" or "immediate": nobody would pull a manual one`},
		"no such buffer":  {upload(`reporting { buffer_type = "ring" }`), "decision_log.upload: "},
		"delays":          {upload(`reporting { min_delay_seconds = 9 max_delay_seconds = 2 }`), "decision_log.upload: max reporting delay must be >= min reporting delay in upload"},
		"signed nonsense": {upload(`resource = "/%zz?sig=` + hush + `"`), "decision_log.upload: invalid resource path \"/%zz?[redacted]\""},
		"password in URL": {`service "collector" { url = "https://` + hush + `:` + hush + `@example.org" }` + "\n" + `upload { service = "collector" }`, "decision_log.service.collector.url: must not hold a password: use credentials"},
	} {
		t.Run(name, func(t *testing.T) {
			_, problems := decodedLog("decision_log {\n" + tc.text + "\n}")
			var got []string
			for _, problem := range problems {
				got = append(got, problem.String())
			}
			if len(got) != 1 || !strings.Contains(got[0], tc.want) {
				t.Errorf("got %q, want one with %q", got, tc.want)
			}
			checkHidden(t, "a problem", fmt.Sprint(got))
		})
	}
}

func TestDecisionLogConfigHides(t *testing.T) {
	text := `decision_log { service "c" { url = "https://example.org" credentials { bearer { token = "` + hush + `" } } }
	upload { service = "c" } }`
	c, problems := buildAWSIID(text, environment(nil))
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	if !strings.Contains(string(c.DecisionLog.sinks().Upload.Services), hush) {
		t.Error("the token is not there for those who need it")
	}
	checkDumps(t, c, c.policyConfig())
}

// TestDecisionLogFileThatCannotBe: Configure finds out, changes nothing, and what
// was in force goes on.
func TestDecisionLogFileThatCannotBe(t *testing.T) {
	p, log := serve(t, newCloud(), &agentStore{}), newLogged(t)
	p.configure(t, baseConfig+log.config())
	before := p.under.current.Load()
	bad := logged{filepath.Join(t.TempDir(), "none", "d.jsonl")}
	_, err := p.config.Configure(t.Context(), configure(baseConfig+bad.config()))
	if status.Code(err) != codes.InvalidArgument || !strings.Contains(err.Error(), "decision_log: file: open "+bad.path) {
		t.Errorf("got %v", err)
	}
	if p.under.current.Load() != before {
		t.Error("the configuration changed")
	}
	if _, err := os.Stat(filepath.Dir(bad.path)); err == nil {
		t.Error("the folder was made")
	}
	if _, err := p.attest(t, payload(t, nil)); err != nil {
		t.Fatal(err)
	}
	if got := log.decisions(t, p); len(got) != 1 {
		t.Errorf("%d decisions in the log that was configured, want 1", len(got))
	}
}

// TestDecisionLogMoves: another file, none, and one again, without a decision lost.
func TestDecisionLogMoves(t *testing.T) {
	p, first, second := serve(t, newCloud(), &agentStore{}), newLogged(t), newLogged(t)
	for _, log := range []string{first.config(), first.config(), second.config(), "", second.config()} {
		p.configure(t, baseConfig+log)
		p.attest(t, []byte("no payload"))
	}
	if got := []int{len(first.decisions(t, p)), len(second.decisions(t, p))}; got[0] != 2 || got[1] != 2 {
		t.Errorf("%v decisions in the files, want 2 in each", got)
	}
}
