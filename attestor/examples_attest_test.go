package attestor

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// Examples whose answer depends on what was before, and on the time: here they are
// asked over gRPC, by nodes with really signed documents.

// exampleDir is a policy directory with some examples, and lists of its own. The
// examples' tests, which run in TestExamples, are not in it.
func exampleDir(t *testing.T, lists map[string]string, names ...string) policyDir {
	t.Helper()
	dir := policyDir(t.TempDir())
	for _, name := range names {
		copyExamples(t, string(dir), filepath.Join(examplesDir, name))
	}
	tests, err := filepath.Glob(filepath.Join(string(dir), "gatehouse", "*", "*_test.rego"))
	if err != nil || len(tests) == 0 {
		t.Fatalf("found no tests: %v", err)
	}
	for _, test := range tests {
		if err := os.Remove(test); err != nil {
			t.Fatal(err)
		}
	}
	for name, text := range lists {
		path := filepath.Join(string(dir), "fleet", name, "data.json")
		if _, err := os.Stat(path); err != nil {
			t.Fatalf("no example reads the list: %v", err)
		}
		dir.write(t, filepath.Join("fleet", name, "data.json"), text)
	}
	return dir
}

// serveAt serves a plugin whose clock can be set.
func serveAt(t *testing.T, c *cloud, store *agentStore, now *time.Time) *plugin {
	t.Helper()
	p := serve(t, c, store)
	p.under.now = func() time.Time { return *now }
	return p
}

// The document's instance was launched then.
var launch = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

const (
	young = time.Hour
	old   = 30 * 24 * time.Hour
)

// TestExampleAgeAndReattestation: an instance of a stateless group that attests
// again, long after its launch, is not held up by the rule about age. Others are,
// and evicting an agent makes no old document good again.
func TestExampleAgeAndReattestation(t *testing.T) {
	const (
		tooOld = "launch_age: instance i-0b22a22eec53b9321 was launched at 2026-01-02T03:04:05Z, too long ago for a first use"
		replay = "tofu: agent /spire/agent/aws_iid/123456789012/us-west-2/i-0b22a22eec53b9321 has attested before; evict it to let the instance attest again"
	)
	for name, tc := range map[string]struct {
		group    string
		hops     int32
		age      time.Duration
		attested bool

		reason string // empty for a node that is let in
		again  bool   // it may attest again
	}{
		"stateless, first use":             {group: "stateless-web", hops: 1, age: young, again: true},
		"stateless, again":                 {group: "stateless-web", hops: 1, age: young, attested: true, again: true},
		"stateless, again when old":        {group: "stateless-web", hops: 1, age: old, attested: true, again: true},
		"stateless, first use when old":    {group: "stateless-web", hops: 1, age: old, reason: tooOld},
		"stateless, containers could read": {group: "stateless-web", hops: 2, age: old, attested: true, reason: replay},
		"other group, first use":           {group: "web", hops: 1, age: young},
		"other group, again":               {group: "web", hops: 1, age: young, attested: true, reason: replay},
		"other group, again when old":      {group: "web", hops: 1, age: old, attested: true, reason: replay},
		"other group, evicted when old":    {group: "web", hops: 1, age: old, reason: tooOld},
	} {
		t.Run(name, func(t *testing.T) {
			c := newCloud()
			c.instances[0].Tags = []ec2types.Tag{{Key: aws.String("aws:autoscaling:groupName"), Value: &tc.group}}
			c.instances[0].MetadataOptions = &ec2types.InstanceMetadataOptionsResponse{
				HttpTokens:              ec2types.HttpTokensStateRequired,
				HttpPutResponseHopLimit: &tc.hops,
				State:                   ec2types.InstanceMetadataOptionsStateApplied,
			}
			store := &agentStore{}
			if tc.attested {
				store.add(agentID)
			}
			now := launch.Add(tc.age)
			p := serveAt(t, c, store, &now)
			p.configure(t, exampleDir(t, nil, "launch_age", "reattestation").config())

			got, err := p.attest(t, payload(t, nil))
			line := p.logs.only(t)
			if tc.reason != "" {
				if status.Code(err) != codes.PermissionDenied || line["reason"] != tc.reason {
					t.Errorf("got %v, logged %v\nwant %s", err, line["reason"], tc.reason)
				}
				return
			}
			if err != nil || got.SpiffeId != agentID || got.CanReattest != tc.again {
				t.Errorf("got %v, %v, logged %v; want it to attest again: %v", got, err, line["reason"], tc.again)
			}
		})
	}
}

// TestExampleBreakGlass: an exemption begins and ends by itself, while nothing is
// configured anew.
func TestExampleBreakGlass(t *testing.T) {
	dir := exampleDir(t, map[string]string{
		"images": `{"allowed": ["ami-00000000000000001"]}`,
		"break_glass": `{"exemptions": [{
			"rule": "image_allowlist",
			"account_id": "123456789012",
			"instance_id": "i-0b22a22eec53b9321",
			"from": "2026-01-02T04:00:00Z",
			"until": "2026-01-02T05:00:00Z",
			"reason": "INC-1234"
		}]}`,
	}, "image_allowlist", "break_glass")
	var now time.Time
	store := &agentStore{}
	p := serveAt(t, newCloud(), store, &now)
	p.configure(t, dir.config())

	const refused = "image_allowlist: image ami-5fb8c835 of instance i-0b22a22eec53b9321 is not among the allowed ones"
	for _, tc := range []struct {
		time   string
		reason string
	}{
		{"2026-01-02T03:59:59Z", refused},
		{"2026-01-02T04:59:59Z", ""},
		{"2026-01-02T05:00:00Z", refused},
	} {
		var err error
		if now, err = time.Parse(time.RFC3339, tc.time); err != nil {
			t.Fatal(err)
		}
		p.logs.reset()
		_, err = p.attest(t, payload(t, nil))
		line := p.logs.only(t)
		switch {
		case tc.reason == "" && err != nil:
			t.Errorf("%s: %v, logged %v", tc.time, err, line)
		case tc.reason != "" && (status.Code(err) != codes.PermissionDenied || line["reason"] != tc.reason):
			t.Errorf("%s: got %v, logged %v", tc.time, err, line)
		}
	}
}
