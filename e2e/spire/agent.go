package spire

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"

	"github.com/spire-gatehouse/gatehouse/e2e/process"
)

// AgentConfig says how to run an agent.
type AgentConfig struct {
	// NodeAttestor is the text of the NodeAttestor block.
	NodeAttestor string

	// JoinToken is for the attestor of that name.
	JoinToken string

	// Env are variables for the agent, beside the test's own without AWS_*.
	Env []string
}

// AgentProcess is a running spire-agent.
type AgentProcess struct {
	*process.Process

	// Dir holds its state; it goes with the agent.
	Dir string
}

// AWSIID is the NodeAttestor block of an agent that asks this metadata service.
func AWSIID(metadataURL string) string {
	return fmt.Sprintf(`    NodeAttestor "aws_iid" {
        plugin_data { ec2_metadata_endpoint = %q }
    }`, metadataURL)
}

// StartAgent starts an agent of this server, with the server's bundle to trust.
// It stops with ctx or by Stop. It has not attested yet: see Attested.
func (s *Server) StartAgent(ctx context.Context, config AgentConfig) (*AgentProcess, error) {
	dir, cleanup, err := stateDir("")
	if err != nil {
		return nil, err
	}
	bundle, conf := filepath.Join(dir, "bundle.pem"), filepath.Join(dir, "agent.conf")
	text, err := config.text(s, dir, bundle)
	err = errors.Join(err, os.WriteFile(bundle, s.bundle, 0o600), os.WriteFile(conf, []byte(text), 0o600))
	if err != nil {
		cleanup()
		return nil, fmt.Errorf("spire: %w", err)
	}
	args := []string{"run", "-config", conf}
	if config.JoinToken != "" {
		args = append(args, "-joinToken", config.JoinToken)
	}
	running, err := process.Start(ctx, cleanup, environment(config.Env), s.binaries.Agent, args...)
	if err != nil {
		return nil, err
	}
	return &AgentProcess{Process: running, Dir: dir}, nil
}

// Attested waits until the agent has its SVID, and returns its SPIFFE ID. An
// agent that was refused ends, and the error holds what it said: see Refusal.
func (a *AgentProcess) Attested(ctx context.Context) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	entry, err := a.Log.Wait(ctx, 0, process.Message("Node attestation was successful"))
	if err != nil {
		return "", err
	}
	return entry.Field("spiffe_id"), nil
}

// Refusal waits until the agent is refused and returns what it was told. An
// agent that policy denied ends; after other refusals it tries again by itself.
func (a *AgentProcess) Refusal(ctx context.Context) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	entry, err := a.Log.Wait(ctx, 0, func(e process.Entry) bool {
		switch e.Message {
		case "Agent crashed", "Failed to retrieve attestation result", "Node attestation was successful":
			return true
		}
		return false
	})
	if err != nil {
		return "", err
	}
	if id := entry.Field("spiffe_id"); id != "" {
		return "", fmt.Errorf("spire: the agent was not refused: it is %s", id)
	}
	return entry.Field("error"), nil
}

// text is the agent.conf.
func (c AgentConfig) text(s *Server, dir, bundle string) (string, error) {
	host, port, err := net.SplitHostPort(s.Address)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf(`agent {
    data_dir = %q
    log_level = "DEBUG"
    log_format = "json"
    server_address = %q
    server_port = %s
    socket_path = %q
    trust_bundle_path = %q
    trust_domain = %q
}

plugins {
%s
    KeyManager "memory" {
        plugin_data {}
    }
    WorkloadAttestor "unix" {
        plugin_data {}
    }
}
`, dir, host, port, filepath.Join(dir, "agent.sock"), bundle, s.TrustDomain, c.NodeAttestor), nil
}
