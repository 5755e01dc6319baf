package rego_test

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"maps"
	"net/netip"
	"reflect"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/spire-gatehouse/gatehouse/policies"
	"github.com/spire-gatehouse/gatehouse/rego"
)

var noon = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

// goodEvidence is what collectors make of a document that passes.
type goodEvidence struct {
	AccountID         string    `json:"account_id"`
	Region            string    `json:"region"`
	Partition         string    `json:"partition"`
	AvailabilityZone  string    `json:"availability_zone"`
	InstanceID        string    `json:"instance_id"`
	InstanceType      string    `json:"instance_type"`
	ImageID           string    `json:"image_id"`
	Architecture      string    `json:"architecture"`
	Version           string    `json:"version"`
	PrivateIP         string    `json:"private_ip"`
	PendingTime       time.Time `json:"pending_time"`
	SignatureKind     string    `json:"signature_kind"`
	CertificateSHA256 string    `json:"certificate_sha256"`
	DocumentSHA256    string    `json:"document_sha256"`
}

type goodInstance struct {
	ID                string             `json:"id"`
	State             string             `json:"state"`
	LaunchTime        time.Time          `json:"launch_time"`
	Tags              map[string]string  `json:"tags,omitempty"`
	SecurityGroups    []securityGroup    `json:"security_groups,omitempty"`
	NetworkInterfaces []networkInterface `json:"network_interfaces"`
	RootDeviceName    string             `json:"root_device_name"`
	RootDeviceType    string             `json:"root_device_type"`
	BlockDevices      []blockDevice      `json:"block_devices"`
}

type networkInterface struct {
	ID          string    `json:"id"`
	DeviceIndex int32     `json:"device_index"`
	AttachTime  time.Time `json:"attach_time"`
}

type blockDevice struct {
	DeviceName string    `json:"device_name"`
	AttachTime time.Time `json:"attach_time"`
}

type securityGroup struct {
	ID   string `json:"id"`
	Name string `json:"name,omitempty"`
}

// admissionInput is an input that the baseline admits.
func admissionInput() rego.Input {
	return rego.Input{
		Plugin:      "aws_iid",
		TrustDomain: "example.org",
		Time:        noon,
		PeerIP:      netip.MustParseAddr("10.0.0.209"),
		Evidence: goodEvidence{
			AccountID:         "123456789012",
			Region:            "us-west-2",
			Partition:         "aws",
			AvailabilityZone:  "us-west-2a",
			InstanceID:        "i-0123456789abcdef0",
			InstanceType:      "t3.medium",
			ImageID:           "ami-0fa9e1f64142cde17",
			Architecture:      "x86_64",
			Version:           "2017-09-30",
			PrivateIP:         "10.0.0.209",
			PendingTime:       noon.Add(-time.Hour),
			SignatureKind:     "rsa2048",
			CertificateSHA256: strings.Repeat("1", 64),
			DocumentSHA256:    strings.Repeat("2", 64),
		},
	}
}

// inState is the instance of admissionInput.
func inState(state string) goodInstance {
	launched := noon.Add(-time.Hour)
	return goodInstance{
		ID:                "i-0123456789abcdef0",
		State:             state,
		LaunchTime:        launched,
		NetworkInterfaces: []networkInterface{{ID: "eni-1", AttachTime: launched}},
		RootDeviceName:    "/dev/xvda",
		RootDeviceType:    "ebs",
		BlockDevices:      []blockDevice{{DeviceName: "/dev/xvda", AttachTime: launched.Add(time.Second)}},
	}
}

// decisionInput is an input that the baseline lets in.
func decisionInput() rego.Input {
	instance := inState("running")
	instance.Tags = map[string]string{"Name": "blog"}
	instance.SecurityGroups = []securityGroup{{ID: "sg-1", Name: "web"}}
	in := admissionInput()
	in.Facts = map[string]any{"instance": instance}
	in.FactsStatus = map[string]string{"instance_profile": "absent"}
	in.Tofu = &rego.Tofu{}
	return in
}

const goodPath = "/spire/agent/aws_iid/123456789012/us-west-2/i-0123456789abcdef0"

func baselineOptions() rego.Options {
	return rego.Options{
		Plugin: "aws_iid",
		Policy: policies.Baseline(),
		Config: map[string]any{"partition": "aws"},
	}
}

func newEngine(t testing.TB, opts rego.Options) *rego.Engine {
	t.Helper()
	engine, err := rego.New(context.Background(), opts)
	if err != nil {
		t.Fatal(err)
	}
	return engine
}

// baselines are engines of the baseline alone, by configuration. An engine never
// changes, so that tests can share one: the race detector makes loading slow.
var baselines sync.Map

// baselineEngine returns an engine of the baseline for aws_iid.
func baselineEngine(t testing.TB, config map[string]any) *rego.Engine {
	t.Helper()
	key, err := json.Marshal(config)
	if err != nil {
		t.Fatal(err)
	}
	if engine, there := baselines.Load(string(key)); there {
		return engine.(*rego.Engine)
	}
	opts := baselineOptions()
	opts.Config = config
	engine := newEngine(t, opts)
	baselines.Store(string(key), engine)
	return engine
}

// overlay is the baseline with files added or replaced.
func overlay(t testing.TB, files map[string]string) fs.FS {
	t.Helper()
	all := fstest.MapFS{}
	err := fs.WalkDir(policies.Baseline(), ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := fs.ReadFile(policies.Baseline(), name)
		all[name] = &fstest.MapFile{Data: content}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range files {
		all[name] = &fstest.MapFile{Data: []byte(content)}
	}
	return all
}

func overlayOptions(t testing.TB, files map[string]string) rego.Options {
	opts := baselineOptions()
	opts.Policy = overlay(t, files)
	return opts
}

func TestAdmitGoodInstance(t *testing.T) {
	got, err := baselineEngine(t, baselineOptions().Config).Admit(t.Context(), admissionInput())
	if err != nil {
		t.Fatal(err)
	}
	want := rego.Admission{Required: []string{"instance", "instance_profile"}, AgentPath: goodPath}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestDecideGoodInstance(t *testing.T) {
	got, err := baselineEngine(t, baselineOptions().Config).Decide(t.Context(), decisionInput())
	if err != nil {
		t.Fatal(err)
	}
	want := rego.Decision{
		AgentPath: goodPath,
		Selectors: []string{
			"account_id:123456789012",
			"az:us-west-2a",
			"image:id:ami-0fa9e1f64142cde17",
			"instance:id:i-0123456789abcdef0",
			"region:us-west-2",
			"sg:id:sg-1",
			"sg:name:web",
			"tag:Name:blog",
		},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if got.Denials() != nil {
		t.Errorf("denied: %v", got.Denials())
	}
}

func TestInputIsRefused(t *testing.T) {
	engine := baselineEngine(t, baselineOptions().Config)
	tests := map[string]struct {
		change func(*rego.Input)
		want   string
	}{
		"other plugin":    {func(in *rego.Input) { in.Plugin = "azure_msi" }, `input is of plugin "azure_msi", the engine of "aws_iid"`},
		"no trust domain": {func(in *rego.Input) { in.TrustDomain = "" }, "input has no trust domain"},
		"no time":         {func(in *rego.Input) { in.Time = time.Time{} }, "input has no time"},
		"no evidence":     {func(in *rego.Input) { in.Evidence = nil }, "input has no evidence"},
		"odd evidence":    {func(in *rego.Input) { in.Evidence = map[string]any{"x": make(chan int)} }, "encoding the input: evidence.x: policy can't be given a chan int"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			in := decisionInput()
			tt.change(&in)
			got, err := engine.Decide(t.Context(), in)
			if want := "rego: gatehouse.aws_iid.decision: " + tt.want; err == nil || err.Error() != want {
				t.Errorf("got error %v, want %s", err, want)
			}
			if !reflect.DeepEqual(got, rego.Decision{}) {
				t.Errorf("got %+v with an error", got)
			}
		})
	}
}

// Where the agent path needs facts, admission gives none, and is asked again.
func TestAdmitWithFacts(t *testing.T) {
	opts := baselineOptions()
	opts.Config = map[string]any{"partition": "aws", "agent_path_template": "/{{ .PluginName }}/{{ .Tags.Name }}/{{ .InstanceID }}"}
	engine := newEngine(t, opts)
	want := rego.Admission{Required: []string{"instance", "instance_profile"}}
	got, err := engine.Admit(t.Context(), admissionInput())
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("without facts: got %+v, %v, want %+v", got, err, want)
	}

	in := decisionInput()
	in.Tofu = nil
	in.TemplatedAgentPath = "/spire/agent/aws_iid/blog/i-0123456789abcdef0"
	want.AgentPath = in.TemplatedAgentPath
	got, err = engine.Admit(t.Context(), in)
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("with facts: got %+v, %v, want %+v", got, err, want)
	}

	in.Tofu = &rego.Tofu{}
	decision, err := engine.Decide(t.Context(), in)
	if err != nil || decision.AgentPath != want.AgentPath {
		t.Errorf("got %+v, %v", decision, err)
	}
}

// A template has no way out of the plugin's namespace.
func TestTemplatedPathIsGuarded(t *testing.T) {
	opts := baselineOptions()
	opts.Config = map[string]any{"partition": "aws", "agent_path_template": "x"}
	in := admissionInput()
	in.TemplatedAgentPath = "/spire/agent/aws_iidx/i-0123456789abcdef0"
	_, err := newEngine(t, opts).Admit(t.Context(), in)
	if err == nil || !strings.Contains(err.Error(), "is not below /spire/agent/aws_iid/") {
		t.Errorf("got %v", err)
	}
}

// An exemption takes away the denial, not the violation.
func TestExempt(t *testing.T) {
	engine := newEngine(t, overlayOptions(t, map[string]string{
		"gatehouse/aws_iid/exceptions.rego": "package gatehouse.aws_iid\n\nexempt contains \"instance_state\" if input.evidence.account_id == \"123456789012\"\n",
	}))
	in := decisionInput()
	in.Facts["instance"] = inState("stopped")
	got, err := engine.Decide(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	want := rego.Decision{
		Violations: []rego.Violation{{Rule: "instance_state", Msg: "instance i-0123456789abcdef0 is stopped, not pending or running"}},
		Exempt:     []string{"instance_state"},
		AgentPath:  goodPath,
		Selectors:  []string{"account_id:123456789012", "az:us-west-2a", "image:id:ami-0fa9e1f64142cde17", "instance:id:i-0123456789abcdef0", "region:us-west-2"},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if got.Denials() != nil {
		t.Errorf("denied in spite of the exemption: %v", got.Denials())
	}
}

// slow takes more steps than any deadline allows, in small ones, each of which
// the evaluator can stop after.
const slow = `package gatehouse.aws_iid

warning contains {"rule": "slow", "msg": "slow"} if {
	some a in numbers.range(1, 3000)
	some b in numbers.range(1, 3000)
	some c in numbers.range(1, 3000)
	a * b * c == 0
}
`

func TestDeadlineStopsPolicy(t *testing.T) {
	opts := overlayOptions(t, map[string]string{"gatehouse/aws_iid/slow.rego": slow})
	opts.Timeout = 20 * time.Millisecond
	engine := newEngine(t, opts)

	_, err := engine.Decide(t.Context(), decisionInput()) // would take for ever
	if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "not answered within 20ms") {
		t.Errorf("got %v", err)
	}
}

func TestCallersContextStopsPolicy(t *testing.T) {
	opts := overlayOptions(t, map[string]string{"gatehouse/aws_iid/slow.rego": slow})
	opts.Timeout = time.Hour
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	_, err := newEngine(t, opts).Decide(ctx, decisionInput())
	if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "stopped") {
		t.Errorf("got %v", err)
	}
}

func TestCancelledBeforehand(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	engine := baselineEngine(t, baselineOptions().Config)
	got, err := engine.Decide(ctx, decisionInput())
	if !errors.Is(err, context.Canceled) || !reflect.DeepEqual(got, rego.Decision{}) {
		t.Errorf("got %+v, %v", got, err)
	}
}

// An error of a built-in is no undefined value: it would be a violation missed.
func TestBuiltinErrorIsFatal(t *testing.T) {
	engine := newEngine(t, overlayOptions(t, map[string]string{
		"gatehouse/aws_iid/age.rego": `package gatehouse.aws_iid

violation contains {"rule": "age", "msg": "too old"} if time.parse_rfc3339_ns(input.evidence.region) < 0
`,
	}))
	_, err := engine.Decide(t.Context(), decisionInput())
	if err == nil || !strings.Contains(err.Error(), "gatehouse/aws_iid/age.rego:3: eval_builtin_error: time.parse_rfc3339_ns") {
		t.Errorf("got %v", err)
	}
}

func TestConcurrentUse(t *testing.T) {
	engine := baselineEngine(t, baselineOptions().Config)
	want, err := engine.Decide(t.Context(), decisionInput())
	if err != nil {
		t.Fatal(err)
	}
	facts := decisionInput().Facts // shared, as cached facts are
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 50 {
				in := decisionInput()
				in.Facts = facts
				if _, err := engine.Admit(t.Context(), admissionInput()); err != nil {
					t.Error(err)
				}
				if got, err := engine.Decide(t.Context(), in); err != nil || !reflect.DeepEqual(got, want) {
					t.Errorf("got %+v, %v", got, err)
				}
			}
		})
	}
	wg.Wait()
}

func TestRevision(t *testing.T) {
	base := newEngine(t, baselineOptions()).Revision()
	if len(base) != 64 {
		t.Errorf("revision %q is no SHA-256", base)
	}
	if again := newEngine(t, baselineOptions()).Revision(); again != base {
		t.Errorf("the same content has revisions %s and %s", base, again)
	}
	otherConfig := baselineOptions()
	otherConfig.Config = maps.Clone(otherConfig.Config)
	otherConfig.Config["assume_role"] = "x"
	for name, opts := range map[string]rego.Options{
		"configuration": otherConfig,
		"added file":    overlayOptions(t, map[string]string{"gatehouse/aws_iid/x.rego": "package gatehouse.aws_iid\n"}),
		"added data":    overlayOptions(t, map[string]string{"accounts/data.json": "{}"}),
		"added test":    overlayOptions(t, map[string]string{"gatehouse/aws_iid/x_test.rego": "package gatehouse.aws_iid_test\n"}),
	} {
		if newEngine(t, opts).Revision() == base {
			t.Errorf("%s does not change the revision", name)
		}
	}
	if newEngine(t, overlayOptions(t, map[string]string{"README.md": "x"})).Revision() != base {
		t.Error("a file that is not read changes the revision")
	}
}
