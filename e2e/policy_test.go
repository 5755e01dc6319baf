package e2e_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/spire-gatehouse/gatehouse/e2e/process"
	"github.com/spire-gatehouse/gatehouse/e2e/spire"
	"github.com/spire-gatehouse/gatehouse/internal/testwait"
)

// Nodes that boot one after the other.
const (
	secondInstance = "i-0b22a22eec53b9322"
	thirdInstance  = "i-0b22a22eec53b9323"
	fourthInstance = "i-0b22a22eec53b9324"
)

const typeSelector = `package gatehouse.aws_iid

selector contains $"type:{input.evidence.instance_type}"
`

// shutOut denies the instances that data lists.
const shutOut = `package gatehouse.aws_iid

admission_violation contains {"rule": "shut_out", "msg": msg} if {
	input.evidence.instance_id in data.shut_out.instances
	msg := $"instance {input.evidence.instance_id} is shut out"
}
`

// writePolicy writes files of a policy directory, each at once.
func writePolicy(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	for name, text := range files {
		name = filepath.Join(dir, name)
		temporary := filepath.Join(filepath.Dir(name), ".new")
		if err := errors.Join(os.MkdirAll(filepath.Dir(name), 0o755), os.WriteFile(temporary, []byte(text), 0o644), os.Rename(temporary, name)); err != nil {
			t.Fatal(err)
		}
	}
}

func policyBlock(dir string) string {
	return fmt.Sprintf("            policy { directory = %q }", dir)
}

// logged waits for a line of the plugin's after the first skip.
func (s scene) logged(t *testing.T, skip int, message string) process.Entry {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), testwait.Patience)
	defer cancel()
	entry, err := s.server.Log.Wait(ctx, skip, process.Message(message))
	if err != nil {
		t.Fatal(err)
	}
	return entry
}

// attests boots a node and returns its selectors after a real agent attested on it.
func (s scene) attests(t *testing.T, id string) []string {
	t.Helper()
	agentID, err := s.agent(t, s.boot(t, id)).Attested(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	agents := s.agents(t)
	i := slices.IndexFunc(agents, func(a spire.Agent) bool { return a.ID == agentID })
	if i < 0 {
		t.Fatalf("%s is not among %v", agentID, agents)
	}
	return agents[i].Selectors
}

func withType(selectors []string, instance string) []string {
	changed := append([]string{"aws_iid:type:t3.micro"}, selectors...)
	for i, selector := range changed {
		changed[i] = strings.Replace(selector, instanceID, instance, 1)
	}
	slices.Sort(changed)
	return changed
}

// TestPolicyEditTakesHold edits a directory under a running server: the next node
// has a selector more, the one after is denied, and a broken edit changes nothing.
func TestPolicyEditTakesHold(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "policy")
	writePolicy(t, dir, map[string]string{"README.md": "Policies of ours."})
	s := start(t, policyBlock(dir))
	if got, want := s.attests(t, instanceID), firstAgent().Selectors; !reflect.DeepEqual(got, want) {
		t.Errorf("with nothing in the directory: got %v, want %v", got, want)
	}

	at := s.server.Log.Len()
	writePolicy(t, dir, map[string]string{"selectors/type.rego": typeSelector})
	if line := s.logged(t, at, "Policy revision took over"); line.Field("policy_revision") == line.Field("previous_policy_revision") {
		t.Errorf("the revision is the same: %v", line.Fields)
	}
	if got, want := s.attests(t, secondInstance), withType(firstAgent().Selectors, secondInstance); !reflect.DeepEqual(got, want) {
		t.Errorf("with a selector more: got %v, want %v", got, want)
	}

	at = s.server.Log.Len()
	// The data first, as the rule could take over before they are there.
	writePolicy(t, dir, map[string]string{"shut_out/data.json": `{"instances": ["` + thirdInstance + `"]}`})
	s.logged(t, at, "Policy revision took over")
	at = s.server.Log.Len()
	writePolicy(t, dir, map[string]string{"shut_out.rego": shutOut})
	s.logged(t, at, "Policy revision took over")
	told, err := s.agent(t, s.boot(t, thirdInstance)).Refusal(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if entry := s.refusal(t, told); entry.Field("reason") != "shut_out: instance "+thirdInstance+" is shut out" {
		t.Errorf("refused for another reason: %v", entry.Fields)
	}

	at = s.server.Log.Len()
	writePolicy(t, dir, map[string]string{"shut_out.rego": strings.ReplaceAll(shutOut, "instance_id", "instanceid")})
	line := s.logged(t, at, "Policy change refused; the last good revision stays in force")
	if problem := line.Field("problem"); line.Field("level") != "error" || !strings.HasPrefix(problem, "shut_out.rego:4: rego_type_error: undefined ref: input.evidence.instanceid") {
		t.Errorf("logged %v", line.Fields)
	}
	if _, err := s.server.Attest(t.Context(), "aws_iid", s.boot(t, thirdInstance).Payload); status.Code(err) != codes.PermissionDenied {
		t.Errorf("the node that was shut out: got %v", err)
	}
	if got, want := s.attests(t, fourthInstance), withType(firstAgent().Selectors, fourthInstance); !reflect.DeepEqual(got, want) {
		t.Errorf("after a broken edit: got %v, want %v", got, want)
	}

	configured := 0
	for _, entry := range s.server.Log.Entries(0) {
		if entry.Message == "Configured" && entry.Field("policy_revision") != "" {
			configured++
		}
	}
	if configured != 1 {
		t.Errorf("the plugin was configured %d times", configured)
	}
}

// TestPolicyMountedByKubernetes swaps the whole directory by one link, as the
// kubelet does when a ConfigMap changes.
func TestPolicyMountedByKubernetes(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	in := func(name string) string { return filepath.Join(dir, name) }
	writePolicy(t, in("..1"), map[string]string{"selectors.rego": typeSelector})
	writePolicy(t, in("..2"), map[string]string{"selectors.rego": strings.Replace(typeSelector, "type:", "kind:", 1)})
	if err := errors.Join(os.Symlink("..1", in("..data")), os.Symlink("..data/selectors.rego", in("selectors.rego"))); err != nil {
		t.Fatal(err)
	}
	s := start(t, policyBlock(dir))
	if got, want := s.attests(t, instanceID), withType(firstAgent().Selectors, instanceID); !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	at := s.server.Log.Len()
	if err := errors.Join(os.Symlink("..2", in("..data_tmp")), os.Rename(in("..data_tmp"), in("..data")), os.RemoveAll(in("..1"))); err != nil {
		t.Fatal(err)
	}
	s.logged(t, at, "Policy revision took over")
	got := s.attests(t, secondInstance)
	if !slices.Contains(got, "aws_iid:kind:t3.micro") || slices.Contains(got, "aws_iid:type:t3.micro") {
		t.Errorf("after the swap: got %v", got)
	}
}

// TestBadPolicyIsNoConfiguration: spire-server validate says what is wrong with a
// directory, its tests included, and a server does not start with it.
func TestBadPolicyIsNoConfiguration(t *testing.T) {
	t.Parallel()
	cloud := newAWS(t)
	dir := filepath.Join(t.TempDir(), "policy")
	writePolicy(t, dir, map[string]string{"selectors.rego": typeSelector})
	config := serverConfig(t, cloud, cloud.PluginData()+"\n"+policyBlock(dir))
	if output, err := spire.Validate(t.Context(), binaries(t), config); err != nil {
		t.Fatalf("a good one: %s", output)
	}
	writePolicy(t, dir, map[string]string{"selectors_test.rego": "package selectors_test\n\ntest_none if false\n"})
	const want = "selectors_test.rego:3: test_none fails"
	if output, err := spire.Validate(t.Context(), binaries(t), config); err == nil || !strings.Contains(output, want) {
		t.Errorf("validate: got %v, %s", err, output)
	}
	if server, err := spire.StartServer(t.Context(), binaries(t), config); err == nil || !strings.Contains(err.Error(), want) {
		if err == nil {
			server.Stop()
		}
		t.Errorf("start: got %v", err)
	}
}
