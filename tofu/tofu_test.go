package tofu_test

import (
	"context"
	"errors"
	"testing"

	agentstorev1 "github.com/spiffe/spire-plugin-sdk/proto/spire/hostservice/server/agentstore/v1"
	"github.com/spire-gatehouse/gatehouse/tofu"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

const agentID = "spiffe://example.org/spire/agent/aws_iid/123456789012/us-west-2/i-0123456789abcdef0"

// answer is an agent store that answers every question alike.
type answer struct{ err error }

func (a answer) GetAgentInfo(_ context.Context, req *agentstorev1.GetAgentInfoRequest, _ ...grpc.CallOption) (*agentstorev1.GetAgentInfoResponse, error) {
	if req.AgentId != agentID {
		return nil, status.Errorf(codes.InvalidArgument, "asked for %q", req.AgentId)
	}
	if a.err != nil {
		return nil, a.err
	}
	return &agentstorev1.GetAgentInfoResponse{Info: &agentstorev1.AgentInfo{AgentId: agentID}}, nil
}

func TestAttested(t *testing.T) {
	for name, tc := range map[string]struct {
		err      error
		attested bool
		wantErr  string
	}{
		"known agent":              {attested: true},
		"unknown agent":            {err: status.Error(codes.NotFound, "no such agent")},
		"datastore down":           {err: status.Error(codes.Internal, "datastore"), wantErr: "tofu: ask SPIRE's agent store for " + agentID + ": rpc error: code = Internal desc = datastore"},
		"server gone":              {err: status.Error(codes.Unavailable, "closing"), wantErr: "tofu: ask SPIRE's agent store for " + agentID + ": rpc error: code = Unavailable desc = closing"},
		"not a status, not a 'no'": {err: errors.New("not found"), wantErr: "tofu: ask SPIRE's agent store for " + agentID + ": not found"},
	} {
		t.Run(name, func(t *testing.T) {
			attested, err := tofu.New(answer{tc.err}).Attested(t.Context(), agentID)
			var gotErr string
			if err != nil {
				gotErr = err.Error()
			}
			if attested != tc.attested || gotErr != tc.wantErr {
				t.Errorf("got %v, %q; want %v, %q", attested, gotErr, tc.attested, tc.wantErr)
			}
		})
	}
}
