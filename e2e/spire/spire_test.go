package spire_test

import (
	"context"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"syscall"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/spire-gatehouse/gatehouse/e2e/spire"
	"github.com/spire-gatehouse/gatehouse/internal/testwait"
)

const joinToken = `
    NodeAttestor "join_token" {
        plugin_data {}
    }`

// binaries gets SPIRE. Where it is not built yet that takes minutes, of which go
// test shows nothing until the end, and for which its -timeout must leave time:
// cmd/spire builds it before, and says how it goes.
func binaries(t *testing.T) spire.Binaries {
	t.Helper()
	found, err := spire.FindBinaries(t.Context(), os.Stderr)
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func startServer(t *testing.T) *spire.Server {
	t.Helper()
	server, err := spire.StartServer(t.Context(), binaries(t), spire.ServerConfig{NodeAttestors: joinToken})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Stop)
	return server
}

func TestAgentAttestsByJoinToken(t *testing.T) {
	server := startServer(t)
	token, err := server.JoinToken(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	agent, err := server.StartAgent(t.Context(), spire.AgentConfig{NodeAttestor: joinToken, JoinToken: token})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(agent.Stop)
	id, err := agent.Attested(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if want := "spiffe://example.org/spire/agent/join_token/" + token; id != want {
		t.Errorf("agent ID: got %s, want %s", id, want)
	}
	agents, err := server.Agents(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want := []spire.Agent{{ID: id, AttestationType: "join_token"}}
	if !reflect.DeepEqual(agents, want) {
		t.Errorf("got %+v, want %+v", agents, want)
	}

	again, err := server.StartAgent(t.Context(), spire.AgentConfig{NodeAttestor: joinToken, JoinToken: token})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(again.Stop)
	refusal, err := again.Refusal(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(refusal, "join token does not exist or has already been used") {
		t.Errorf("an agent with a used token is told %q", refusal)
	}
}

func TestRawAttestation(t *testing.T) {
	server := startServer(t)
	token, err := server.JoinToken(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	svid, err := server.Attest(t.Context(), "join_token", []byte(token))
	if err != nil {
		t.Fatal(err)
	}
	if want := "spiffe://example.org/spire/agent/join_token/" + token; svid.ID != want || len(svid.Chain) == 0 || svid.Chain[0].URIs[0].String() != want {
		t.Errorf("got %s with %d certificates, want %s", svid.ID, len(svid.Chain), want)
	}
	for plugin, want := range map[string]codes.Code{"join_token": codes.InvalidArgument, "aws_iid": codes.FailedPrecondition} {
		if _, err := server.Attest(t.Context(), plugin, []byte("bad")); status.Code(err) != want {
			t.Errorf("%s: got %v, want %s", plugin, err, want)
		}
	}
}

func TestBadConfigurationIsRefused(t *testing.T) {
	config := spire.ServerConfig{NodeAttestors: `
    NodeAttestor "x509pop" {
        plugin_data { ca_bundle_path = "/nonexistent" }
    }`}
	output, err := spire.Validate(t.Context(), binaries(t), config)
	if err == nil || !strings.Contains(output, "/nonexistent") {
		t.Errorf("validate: %v: %s", err, output)
	}
	server, err := spire.StartServer(t.Context(), binaries(t), config)
	if err == nil {
		server.Stop()
		t.Fatal("the server started")
	}
	if !strings.Contains(err.Error(), "/nonexistent") {
		t.Errorf("the start's error does not name the problem: %v", err)
	}
}

func TestStopLeavesNothing(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	server, err := spire.StartServer(ctx, binaries(t), spire.ServerConfig{NodeAttestors: joinToken})
	if err != nil {
		t.Fatal(err)
	}
	pid := server.PID()
	before, err := filepath.Glob("/tmp/gh-spire-*/server.conf")
	if err != nil || len(before) == 0 {
		t.Fatalf("no state of the running server: %v", err)
	}
	cancel() // as Ctrl-C does
	testwait.Receive(t, server.Done(), "the server still runs")
	if err := syscall.Kill(-pid, 0); err != syscall.ESRCH {
		t.Errorf("its process group is still there: %v", err)
	}
}
