package spire

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health/grpc_health_v1"

	"github.com/spire-gatehouse/gatehouse/e2e/process"
	"github.com/spire-gatehouse/gatehouse/internal/testport"
)

// ServerConfig says how to run a server.
type ServerConfig struct {
	// TrustDomain is "example.org" when empty.
	TrustDomain string

	// NodeAttestors is the text of the NodeAttestor blocks.
	NodeAttestors string

	// Env are variables for the server and its plugins, beside the test's own
	// without AWS_*.
	Env []string

	// Database is a PostgreSQL connection string. Empty means SQLite.
	Database string

	// Telemetry is the text of what is in the block telemetry; empty for none.
	Telemetry string

	// Dir, when set, keeps the server's state. Otherwise it goes with the server.
	Dir string

	// WorkDir, when set, is where relative paths in plugin_data begin.
	WorkDir string
}

// Server is a running spire-server. Its database is SQLite unless it is told
// another, its ports are on loopback, its log is JSON at level debug, and it limits no rates.
type Server struct {
	*process.Process

	// TrustDomain it serves.
	TrustDomain string

	// Address is where agents reach it.
	Address string

	binaries Binaries
	dir      string
	socket   string
	bundle   []byte // PEM
}

// startTimeout bounds the time until a server or an agent is up.
const startTimeout = 4 * time.Minute

// StartServer starts a server and waits until it is healthy. It stops with ctx
// or by Stop. When it does not come up the error holds the end of its log.
func StartServer(ctx context.Context, binaries Binaries, config ServerConfig) (*Server, error) {
	if config.TrustDomain == "" {
		config.TrustDomain = "example.org"
	}
	dir, cleanup, err := stateDir(config.Dir)
	if err != nil {
		return nil, err
	}
	port, err := testport.Free(ctx)
	if err != nil {
		cleanup()
		return nil, err
	}
	s := &Server{
		TrustDomain: config.TrustDomain, Address: fmt.Sprintf("127.0.0.1:%d", port),
		binaries: binaries, dir: dir, socket: filepath.Join(dir, "api.sock"),
	}
	conf, err := config.Write(dir, port)
	if err != nil {
		cleanup()
		return nil, err
	}
	if s.Process, err = process.StartIn(ctx, config.WorkDir, cleanup, environment(config.Env), binaries.Server, "run", "-config", conf); err != nil {
		return nil, err
	}

	if err := s.up(ctx); err != nil {
		s.Stop()
		return nil, err
	}
	return s, nil
}

// up waits until the server is healthy and fetches its bundle.
func (s *Server) up(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	ctx, stop := s.Until(ctx)
	defer stop()
	if err := waitHealthy(ctx, s.socket); err != nil {
		return err
	}
	bundle, err := s.CLI(ctx, "bundle", "show")
	if err != nil {
		return err
	}
	s.bundle = []byte(bundle)
	return nil
}

// Write writes the server.conf into a directory, which is the server's too, and
// returns its path.
func (c ServerConfig) Write(dir string, port int) (string, error) {
	if c.TrustDomain == "" {
		c.TrustDomain = "example.org"
	}
	conf := filepath.Join(dir, "server.conf")
	if err := os.WriteFile(conf, []byte(c.text(dir, port)), 0o600); err != nil {
		return "", fmt.Errorf("spire: %w", err)
	}
	return conf, nil
}

// text is the server.conf.
func (c ServerConfig) text(dir string, port int) string {
	databaseType, connection := "sqlite3", filepath.Join(dir, "datastore.sqlite3")
	if c.Database != "" {
		databaseType, connection = "postgres", c.Database
	}
	return fmt.Sprintf(`server {
    bind_address = "127.0.0.1"
    bind_port = %d
    socket_path = %q
    trust_domain = %q
    data_dir = %q
    log_level = "DEBUG"
    log_format = "json"
    ratelimit { attestation = false signing = false }
}

plugins {
    DataStore "sql" {
        plugin_data {
            database_type = %q
            connection_string = %q
        }
    }
    KeyManager "disk" {
        plugin_data { keys_path = %q }
    }
%s
}

telemetry {
%s
}
`, port, filepath.Join(dir, "api.sock"), c.TrustDomain, dir,
		databaseType, connection, filepath.Join(dir, "keys.json"), c.NodeAttestors, c.Telemetry)
}

// Validate runs `spire-server validate` on the configuration and returns what
// it prints; the error says that it refused.
func Validate(ctx context.Context, binaries Binaries, config ServerConfig) (string, error) {
	dir, cleanup, err := stateDir("")
	if err != nil {
		return "", err
	}
	defer cleanup()
	conf, err := config.Write(dir, 1)
	if err != nil {
		return "", err
	}
	command := exec.CommandContext(ctx, binaries.Server, "validate", "-config", conf)
	command.Env = environment(config.Env)
	command.SysProcAttr = process.Attributes()
	output, err := command.CombinedOutput()
	return string(output), err
}

// CLI runs a command of spire-server against this server, such as
// CLI(ctx, "bundle", "show"), and returns its standard output.
func (s *Server) CLI(ctx context.Context, args ...string) (string, error) {
	command := exec.CommandContext(ctx, s.binaries.Server, append(args, "-socketPath", s.socket)...)
	command.Env = environment(nil)
	command.SysProcAttr = process.Attributes()
	var stdout, stderr bytes.Buffer
	command.Stdout, command.Stderr = &stdout, &stderr
	if err := command.Run(); err != nil {
		return "", fmt.Errorf("spire: spire-server %s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(stdout.String()+stderr.String()))
	}
	return stdout.String(), nil
}

// Agent is an attested agent as the server lists it.
type Agent struct {
	ID              string
	AttestationType string
	Selectors       []string // type:value, in the server's order
	CanReattest     bool
	Banned          bool
}

// Agents lists the attested agents.
func (s *Server) Agents(ctx context.Context) ([]Agent, error) {
	text, err := s.CLI(ctx, "agent", "list", "-output", "json")
	if err != nil {
		return nil, err
	}
	var answer struct {
		Agents []struct {
			ID struct {
				TrustDomain string `json:"trust_domain"`
				Path        string `json:"path"`
			} `json:"id"`
			AttestationType string `json:"attestation_type"`
			Selectors       []struct{ Type, Value string }
			Banned          bool
			CanReattest     bool `json:"can_reattest"`
		}
	}
	if err := json.Unmarshal([]byte(text), &answer); err != nil {
		return nil, fmt.Errorf("spire: agent list: %w", err)
	}
	agents := make([]Agent, 0, len(answer.Agents))
	for _, a := range answer.Agents {
		agent := Agent{ID: "spiffe://" + a.ID.TrustDomain + a.ID.Path, AttestationType: a.AttestationType,
			CanReattest: a.CanReattest, Banned: a.Banned}
		for _, selector := range a.Selectors {
			agent.Selectors = append(agent.Selectors, selector.Type+":"+selector.Value)
		}
		agents = append(agents, agent)
	}
	return agents, nil
}

// JoinToken makes a join token.
func (s *Server) JoinToken(ctx context.Context) (string, error) {
	text, err := s.CLI(ctx, "token", "generate", "-output", "json")
	if err != nil {
		return "", err
	}
	var answer struct{ Value string }
	if err := json.Unmarshal([]byte(text), &answer); err != nil {
		return "", fmt.Errorf("spire: token generate: %w", err)
	}
	return answer.Value, nil
}

// stateDir makes a directory whose socket paths fit the 108 bytes of a
// sockaddr, which those of a test's own temporary directory may not.
func stateDir(wanted string) (dir string, cleanup func(), err error) {
	if wanted != "" {
		return wanted, func() {}, nil
	}
	if dir, err = os.MkdirTemp("/tmp", "gh-spire-"); err != nil {
		return "", nil, fmt.Errorf("spire: %w", err)
	}
	return dir, func() { _ = os.RemoveAll(dir) }, nil
}

// waitHealthy asks for the health of whoever listens at the socket until it is
// serving. The error is the context's cause.
func waitHealthy(ctx context.Context, socket string) error {
	conn, err := grpc.NewClient("unix:"+socket,
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithConnectParams(grpc.ConnectParams{
			Backoff:           backoff.Config{BaseDelay: 20 * time.Millisecond, Multiplier: 1.2, MaxDelay: 200 * time.Millisecond},
			MinConnectTimeout: time.Second,
		}))
	if err != nil {
		return fmt.Errorf("spire: %w", err)
	}
	defer conn.Close()
	client := grpc_health_v1.NewHealthClient(conn)
	ticker := time.NewTicker(50 * time.Millisecond)
	defer ticker.Stop()
	for {
		answer, err := client.Check(ctx, &grpc_health_v1.HealthCheckRequest{}, grpc.WaitForReady(true))
		if err == nil && answer.GetStatus() == grpc_health_v1.HealthCheckResponse_SERVING {
			return nil
		}
		select {
		case <-ctx.Done():
			return errors.Join(context.Cause(ctx), err)
		case <-ticker.C:
		}
	}
}
