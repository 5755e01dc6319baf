package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spire-gatehouse/gatehouse/e2e/process"
	"github.com/spire-gatehouse/gatehouse/e2e/repo"
	"github.com/spire-gatehouse/gatehouse/e2e/spire"
	"github.com/spire-gatehouse/gatehouse/e2e/stage"
	"github.com/spire-gatehouse/gatehouse/policies"
)

const (
	account    = "123456789012"
	region     = "eu-central-1"
	instanceID = "i-0b22a22eec53b9321"

	wantID = "spiffe://example.org/spire/agent/aws_iid/" + account + "/" + region + "/" + instanceID

	// logTimeout bounds the wait for a log line that must come.
	logTimeout = time.Minute
)

// run tells the whole story. What it starts ends before it returns.
func run(ctx context.Context, s *screen) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	dir, err := os.MkdirTemp("", "gatehouse-demo-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)

	s.say("An unmodified SPIRE server and agent, and between them Gatehouse, which decides in Rego")
	s.say("who may become an agent. AWS is played on loopback.")

	s.begin("Get SPIRE " + spire.Version)
	binaries, err := spire.FindBinaries(ctx, s)
	if err != nil {
		return err
	}
	s.field("server", binaries.Server)
	s.field("agent", binaries.Agent)

	s.begin("Boot a machine in AWS")
	cloud, err := stage.NewAWS(ctx, dir, account, region)
	if err != nil {
		return err
	}
	node, err := cloud.Boot(ctx, cloud.Document(instanceID))
	if err != nil {
		return err
	}
	s.field("instance", instanceID+" in account "+account+", "+region)
	s.field("metadata service", node.MetadataURL)
	s.field("AWS APIs", cloud.URL)

	s.begin("Start spire-server with Gatehouse as its aws_iid node attestor")
	policyDir := filepath.Join(dir, "policy")
	// An empty one would be taken for a volume that isn't mounted.
	if err := errors.Join(os.Mkdir(policyDir, 0o755), os.WriteFile(filepath.Join(policyDir, "README.md"), []byte("Policies come here.\n"), 0o644)); err != nil {
		return err
	}
	server, err := startServer(ctx, s, binaries, cloud, policyDir)
	if err != nil {
		return err
	}
	defer server.Stop()

	s.begin("Start spire-agent on the machine")
	if err := attest(ctx, s, server, cloud, node); err != nil {
		return err
	}

	s.begin("Present the same evidence a second time, as a thief of the document would")
	refusal, err := replay(ctx, s, server, cloud, node)
	if err != nil {
		return err
	}

	s.begin("See where that decision came from")
	if err := explain(s, refusal); err != nil {
		return err
	}

	s.begin("Edit the policy while the server runs, and boot another machine")
	if err := edit(ctx, s, server, cloud, policyDir); err != nil {
		return err
	}
	return ctx.Err()
}

// startServer starts the server and waits until Gatehouse is configured.
func startServer(ctx context.Context, s *screen, binaries spire.Binaries, cloud *stage.AWS, policyDir string) (*spire.Server, error) {
	root, err := repo.Root()
	if err != nil {
		return nil, err
	}
	binary := filepath.Join(root, "bin", "gatehouse")
	block, err := stage.Plugin(binary, cloud.PluginData()+fmt.Sprintf("\n            policy { directory = %q }", policyDir))
	if err != nil {
		return nil, fmt.Errorf("%w; run make demo, which builds it", err)
	}
	sum, err := repo.Checksum(binary)
	if err != nil {
		return nil, err
	}
	s.field("plugin", binary)
	s.field("plugin_checksum", sum)
	server, err := spire.StartServer(ctx, binaries, spire.ServerConfig{NodeAttestors: block, Env: cloud.Env()})
	if err != nil {
		return nil, err
	}
	wait, cancel := context.WithTimeout(ctx, logTimeout)
	defer cancel()
	configured, err := server.Log.Wait(wait, 0, func(e process.Entry) bool {
		return e.Field("plugin_name") == "aws_iid" && e.Field("policy_revision") != ""
	})
	if err != nil {
		server.Stop()
		return nil, err
	}
	s.field("policy directory", policyDir+", without a policy yet: the baseline decides")
	s.field("policy revision", configured.Field("policy_revision"))
	s.field("address", server.Address)
	return server, nil
}

// attest starts an agent and shows what SPIRE's CLI lists.
func attest(ctx context.Context, s *screen, server *spire.Server, cloud *stage.AWS, node stage.Node) error {
	agent, err := startAgent(ctx, server, cloud, node)
	if err != nil {
		return err
	}
	defer agent.Stop()
	id, err := agent.Attested(ctx)
	if err != nil {
		return err
	}
	if id != wantID {
		return fmt.Errorf("the agent is %s, not %s", id, wantID)
	}
	wait, cancel := context.WithTimeout(ctx, logTimeout)
	defer cancel()
	attested, err := server.Log.Wait(wait, 0, process.Message("Node attested"))
	if err != nil {
		return err
	}
	s.good("The agent attested and has its SVID.")
	s.field("decision", attested.Field("decision_id"))
	for _, command := range [][]string{{"agent", "list"}, {"agent", "show", "-spiffeID", id}} {
		output, err := server.CLI(ctx, command...)
		if err != nil {
			return err
		}
		if !strings.Contains(output, id) {
			return fmt.Errorf("spire-server %s does not list %s:\n%s", strings.Join(command, " "), id, output)
		}
		s.quote("spire-server "+strings.Join(command, " "), output)
	}
	return nil
}

// replay starts a second agent on the same evidence and returns the server's
// log entry about its refusal.
func replay(ctx context.Context, s *screen, server *spire.Server, cloud *stage.AWS, node stage.Node) (process.Entry, error) {
	cloud.API.Forget()
	told, entry, err := refused(ctx, server, cloud, node)
	if err != nil {
		return process.Entry{}, err
	}
	s.bad("Refused.")
	s.field("the agent is told", told)
	s.field("the server logs", entry.Field("reason"))
	s.field("decision", entry.Field("decision_id"))
	calls := len(cloud.API.Calls())
	s.field("AWS calls spent", fmt.Sprint(calls))
	if calls != 0 {
		return process.Entry{}, errors.New("a replay should not cost AWS calls")
	}
	return entry, nil
}

func startAgent(ctx context.Context, server *spire.Server, cloud *stage.AWS, node stage.Node) (*spire.AgentProcess, error) {
	return server.StartAgent(ctx, spire.AgentConfig{NodeAttestor: spire.AWSIID(node.MetadataURL), Env: cloud.AgentEnv()})
}

// explain shows the rule that denied.
func explain(s *screen, refusal process.Entry) error {
	found, err := findRule(policies.Baseline(), refusal.Field("reason"))
	if err != nil {
		return err
	}
	s.field("policy revision", refusal.Field("policy_revision"))
	s.field("rule", found.rule)
	s.field("in", fmt.Sprintf("policies/%s:%d", found.file, found.line))
	s.say("")
	s.say(found.text)
	return nil
}
