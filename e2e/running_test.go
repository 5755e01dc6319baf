package e2e_test

import (
	"context"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/spire-gatehouse/gatehouse/e2e/process"
	"github.com/spire-gatehouse/gatehouse/e2e/spire"
	"github.com/spire-gatehouse/gatehouse/internal/testwait"
)

// running is a real SPIRE server that runs an attestor.
type running struct{ server *spire.Server }

// startServer starts a server that lives as long as the test.
func startServer(t *testing.T, config spire.ServerConfig) *spire.Server {
	t.Helper()
	server, err := spire.StartServer(t.Context(), binaries(t), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Stop)
	return server
}

// agents lists the server's agents with their selectors sorted.
func (s running) agents(t *testing.T) []spire.Agent {
	t.Helper()
	agents, err := s.server.Agents(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, agent := range agents {
		slices.Sort(agent.Selectors)
	}
	return agents
}

// refusal waits for the log entry of the refusal that an agent was told about:
// both have the decision's ID.
func (s running) refusal(t *testing.T, told string) process.Entry {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), testwait.Patience)
	defer cancel()
	entry, err := s.server.Log.Wait(ctx, 0, func(e process.Entry) bool {
		id := e.Field("decision_id")
		return e.Message == "Node attestation refused" && id != "" && strings.Contains(told, id)
	})
	if err != nil {
		t.Fatalf("%q: %v", told, err)
	}
	return entry
}

// refusals are all that the server has logged about refusals with the decision's
// ID that the agent was told.
func (s running) refusals(told string) (lines []string) {
	for _, line := range s.server.Log.Lines(0) {
		_, id, _ := strings.Cut(told, "(decision ")
		if strings.Contains(line, "Node attestation refused") && strings.Contains(line, strings.TrimRight(id, ")")) {
			lines = append(lines, line)
		}
	}
	return lines
}

// refusedReplay says what is wrong with the refusal of a second agent, on the
// machine of the first: the log has the reason, the agent doesn't learn it, and the
// first agent stays as it was.
func (s running) refusedReplay(t *testing.T, told, machine string, first spire.Agent) {
	t.Helper()
	if !strings.Contains(told, "code = PermissionDenied") {
		t.Errorf("the second agent is told %q", told)
	}
	if entry := s.refusal(t, told); entry.Field("outcome") != "denied" || entry.Field("rules") != "[tofu]" {
		t.Errorf("the server's log says %v", entry.Fields)
	}
	if strings.Contains(told, "tofu") || strings.Contains(told, machine) {
		t.Errorf("the agent learns the reason: %q", told)
	}
	if got := s.agents(t); !reflect.DeepEqual(got, []spire.Agent{first}) {
		t.Errorf("agents after the replay: %+v", got)
	}
}
