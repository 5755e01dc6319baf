package e2e_test

import (
	"context"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/spire-gatehouse/gatehouse/e2e/repo"
	"github.com/spire-gatehouse/gatehouse/internal/testpostgres"
	"github.com/spire-gatehouse/gatehouse/internal/testwait"
)

// TestLostResponse: SPIRE stored the agent, and its answer never arrived. With the
// example lost_response the agent gets another answer, once its claim has run out,
// and stays the one agent, which may not attest again otherwise.
func TestLostResponse(t *testing.T) {
	t.Parallel()
	root, err := repo.Root()
	if err != nil {
		t.Fatal(err)
	}
	s := start(t, fmt.Sprintf(`
            claims {
                backend = "postgres"
                claim_ttl = "1s"
                connection_string = %q
            }
            policy { directory = %q }`,
		testpostgres.Start(t).Database(t), filepath.Join(root, "policies", "examples", "lost_response")))
	node := s.boot(t, instanceID)
	lost, err := s.server.Attest(t.Context(), "aws_iid", node.Payload)
	if err != nil {
		t.Fatal(err)
	}

	ctx, cancel := context.WithTimeout(t.Context(), testwait.Patience)
	defer cancel()
	again, err := s.server.Attest(ctx, "aws_iid", node.Payload)
	for ; status.Code(err) == codes.PermissionDenied && ctx.Err() == nil; again, err = s.server.Attest(ctx, "aws_iid", node.Payload) {
		time.Sleep(100 * time.Millisecond)
	}
	if err != nil {
		t.Fatal(err)
	}
	if again.ID != lost.ID || again.Reattestable || again.Chain[0].SerialNumber.Cmp(lost.Chain[0].SerialNumber) == 0 {
		t.Errorf("the second answer is of %s, reattestable %v, with the first one's SVID: %v", again.ID, again.Reattestable,
			again.Chain[0].SerialNumber.Cmp(lost.Chain[0].SerialNumber) == 0)
	}
	if agents := s.agents(t); len(agents) != 1 || agents[0].CanReattest {
		t.Errorf("SPIRE has the agents %+v", agents)
	}
}
