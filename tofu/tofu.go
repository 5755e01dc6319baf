// Package tofu is trust on first use: has this agent attested before, or is it
// doing so right now?
//
// The durable truth is SPIRE's own datastore, shared by all of a trust domain's
// servers and asked through the AgentStore host service: see Store. It answers that
// one question and nothing else: not when, not with which evidence, not whether the
// agent is banned (SPIRE enforces bans itself). Claims hold off whoever else asks
// between the question and SPIRE's storing the agent, and may remember what agent
// a machine became. A claim comes first, then the question.
//
// Start at Claims. Memory is for one server; package postgres is for several.
package tofu

import (
	"context"
	"fmt"

	agentstorev1 "github.com/spiffe/spire-plugin-sdk/proto/spire/hostservice/server/agentstore/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// AgentStore is the one call of SPIRE's AgentStore host service.
type AgentStore interface {
	GetAgentInfo(context.Context, *agentstorev1.GetAgentInfoRequest, ...grpc.CallOption) (*agentstorev1.GetAgentInfoResponse, error)
}

// Store knows which agents have attested. It is safe for concurrent use.
type Store struct {
	agents AgentStore
}

// New returns a Store that asks agents.
func New(agents AgentStore) *Store { return &Store{agents: agents} }

// Attested reports whether an agent of that ID has attested. Only SPIRE's
// explicit "not found" counts as no: every other failure is an error, because
// taking it for a no would let a replay in.
func (s *Store) Attested(ctx context.Context, agentID string) (bool, error) {
	_, err := s.agents.GetAgentInfo(ctx, &agentstorev1.GetAgentInfoRequest{AgentId: agentID})
	switch status.Code(err) {
	case codes.OK:
		return true, nil
	case codes.NotFound:
		return false, nil
	default:
		return false, fmt.Errorf("tofu: ask SPIRE's agent store for %s: %w", agentID, err)
	}
}
