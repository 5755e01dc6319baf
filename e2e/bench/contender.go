package bench

import (
	"context"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	agentstorev1 "github.com/spiffe/spire-plugin-sdk/proto/spire/hostservice/server/agentstore/v1"
	"github.com/spiffe/spire/pkg/server/plugin/nodeattestor/awsiid/awsrsa1024"
	"github.com/spiffe/spire/pkg/server/plugin/nodeattestor/awsiid/awsrsa2048"
	"github.com/spiffe/spire/test/fakes/fakeagentstore"

	"github.com/spire-gatehouse/gatehouse/e2e/attestors"
)

// contender is an attestor with the AgentStore of its own server, which stores
// each node that it lets in.
type contender struct {
	*attestors.Attestor
	store *fakeagentstore.AgentStore
}

// load loads and configures the attestor of a job.
func (j Job) load(ctx context.Context) (*contender, error) {
	c := &contender{store: fakeagentstore.New()}
	var err error
	switch {
	case j.Program != "":
		c.Attestor, err = attestors.ExternalIn(ctx, j.Env, c.store, j.Plugin, j.Program, j.Plugin)
	case j.Plugin == "aws_iid":
		if err := trust(j.Certificates); err != nil {
			return nil, err
		}
		c.Attestor, err = attestors.BuiltInAWSIID(ctx, c.store)
	default:
		c.Attestor, err = attestors.BuiltInAzureMSI(ctx, c.store)
	}
	if err != nil {
		return nil, err
	}
	if err := c.Configure(ctx, j.PluginData); err != nil {
		_ = c.Close()
		return nil, err
	}
	return c, nil
}

// trust has the built-in aws_iid believe, in this process, that AWS's certificates
// of a region are those of REGION.pem: the first for RSA-2048, the second for the
// bare signature.
func trust(dir string) error {
	files, err := filepath.Glob(filepath.Join(dir, "*.pem"))
	if err != nil || len(files) == 0 {
		return fmt.Errorf("bench: no certificates in %s", dir)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return fmt.Errorf("bench: %w", err)
		}
		region := strings.TrimSuffix(filepath.Base(file), ".pem")
		first, rest := pem.Decode(text)
		second, _ := pem.Decode(rest)
		if first == nil || second == nil {
			return fmt.Errorf("bench: %s has no two certificates", file)
		}
		awsrsa2048.CACerts[region] = string(pem.EncodeToMemory(first))
		awsrsa1024.CACerts[region] = string(pem.EncodeToMemory(second))
	}
	return nil
}

// attest is an attempt.
func (c *contender) attest(ctx context.Context, _ int, payload []byte) error {
	answer, err := c.Attest(ctx, payload)
	if err == nil {
		c.store.SetAgentInfo(&agentstorev1.AgentInfo{AgentId: answer.AgentID})
	}
	return err
}
