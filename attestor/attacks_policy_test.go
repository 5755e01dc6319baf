package attestor

import (
	"fmt"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// Attacks by way of policy and configuration.

// TestAttackPolicyReachesOut: a policy that asks the world, or answers by what
// nobody can replay, is refused when it is loaded.
func TestAttackPolicyReachesOut(t *testing.T) {
	for name, expression := range map[string]string{
		"HTTP":                   `http.send({"method": "get", "url": "http://127.0.0.1/"})`,
		"DNS":                    `net.lookup_ip_addr("example.org")`,
		"the environment":        `opa.runtime()`,
		"the clock":              `time.now_ns()`,
		"randomness":             `rand.intn("x", 10)`,
		"an identifier":          `uuid.rfc4122("x")`,
		"a hidden built-in":      `x with net.cidr_contains as http.send`,
		"a built-in in its name": `data.gatehouse.aws_iid.admission with input as http.send({})`,
	} {
		t.Run(name, func(t *testing.T) {
			dir := newPolicyDir(t, map[string]string{
				"own.rego": "package gatehouse.aws_iid\n\nx := net.cidr_contains(\"10.0.0.0/8\", \"10.0.0.1\")\n\nselector contains \"own\" if " + expression + "\n",
			})
			p := serve(t, newCloud(), &agentStore{})
			_, err := p.config.Configure(t.Context(), configure(dir.config()))
			if status.Code(err) != codes.InvalidArgument || !strings.Contains(err.Error(), "own.rego:5") {
				t.Errorf("got %v", err)
			}
		})
	}
}

// TestAttackEndlessPolicy: one that takes for ever for a certain node is stopped,
// and does not let it in.
func TestAttackEndlessPolicy(t *testing.T) {
	dir := newPolicyDir(t, map[string]string{"own.rego": `package gatehouse.aws_iid

selector contains "own" if {
	input.evidence.image_id == "ami-5fb8c835"
	count([1 | some x in numbers.range(1, 30000); some y in numbers.range(1, 30000); x == y * 31]) > 0
}
`})
	s := newAWSSceneWithin(t, tooLong, fmt.Sprintf("policy { directory = %q }", string(dir)))
	s.refuses(t, genuine(t).json(t), refused{codes.Internal, "internal", "decide: rego: gatehouse.aws_iid.decision: not answered within 3s", 1})
}

// TestAttackUndefinedPolicy: what a policy leaves open for a certain node is no
// consent, nor is an answer that is out of bounds.
func TestAttackUndefinedPolicy(t *testing.T) {
	const rule, path = "own.rego", "gatehouse/aws_iid/agent_path.rego"
	for name, tc := range map[string]struct {
		file, policy string
		about        string
		calls        int
	}{
		"no path": {path, `agent_path := "/spire/agent/aws_iid/x" if input.evidence.image_id != "ami-5fb8c835"`, "policy gives no agent_path", 1},
		"a failing built-in": {rule, `violation contains {"rule": "own", "msg": "no"} if time.parse_rfc3339_ns(object.get({"ami-5fb8c835": "soon"}, input.evidence.image_id, input.time)) < 0`,
			"decide: rego: gatehouse.aws_iid.decision: ", 1},
		"a violation without its rule": {rule, `violation contains {"msg": "no"} if input.evidence.image_id == "ami-5fb8c835"`,
			"decide: rego: gatehouse.aws_iid.decision: ", 1},
		"another attestor's path": {path, `agent_path := concat("", ["/spire/agent/", object.get({"ami-5fb8c835": "join_token"}, input.evidence.image_id, "aws_iid"), "/x"])`,
			"admit: rego: gatehouse.aws_iid.admission: agent_path ", 0},
		"the server's own path": {path, `agent_path := object.get({"ami-5fb8c835": "/spire/server"}, input.evidence.image_id, "/spire/agent/aws_iid/x")`,
			"admit: rego: gatehouse.aws_iid.admission: agent_path ", 0},
		"an unknown fact": {rule, `required_fact contains "everything" if input.evidence.image_id == "ami-5fb8c835"`,
			`admit: rego: gatehouse.aws_iid.admission: asks for fact "everything"; aws_iid has eks, instance, instance_profile, organization`, 0},
	} {
		t.Run(name, func(t *testing.T) {
			dir := newPolicyDir(t, map[string]string{tc.file: "package gatehouse.aws_iid\n\n" + tc.policy + "\n"})
			s := newAWSScene(t, fmt.Sprintf("policy { directory = %q }", string(dir)))
			s.refuses(t, genuine(t).json(t), refused{codes.Internal, "internal", tc.about, tc.calls})
		})
	}
}

// TestAttackWidenedCheck: a check of one's own whose helper has the name of another
// check's would let in whom that refuses. It is no policy.
func TestAttackWidenedCheck(t *testing.T) {
	check := func(helper string) string {
		return fmt.Sprintf(`package gatehouse.aws_iid

violation contains {"rule": "own", "msg": "not one of ours"} if not %[1]s

%[1]s if startswith(input.evidence.instance_type, "m")
`, helper)
	}
	dir := newPolicyDir(t, map[string]string{"own.rego": check("_ours")})
	newAWSScene(t, fmt.Sprintf("policy { directory = %q }", string(dir)))
	dir.write(t, "own.rego", check("_alive"))
	p := serve(t, newCloud(), &agentStore{})
	_, err := p.config.Configure(t.Context(), configure(dir.config()))
	if status.Code(err) != codes.InvalidArgument || !strings.Contains(err.Error(), "rule _alive is in gatehouse/aws_iid/instance_state.rego:26, too") {
		t.Errorf("got %v", err)
	}
}
