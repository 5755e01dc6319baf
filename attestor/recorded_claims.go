package attestor

import (
	"context"
	"net/netip"

	"github.com/spire-gatehouse/gatehouse/rego"
	"github.com/spire-gatehouse/gatehouse/tofu"
)

// recordedClaims are what an input says of claims: for every node the same. It is
// a claim of its own, which holds nothing.
type recordedClaims struct {
	claimed bool
	first   *tofu.First
}

// newRecordedClaims takes first uses as those of a trust domain.
func newRecordedClaims(recorded *rego.Tofu, trustDomain string) recordedClaims {
	if recorded == nil {
		return recordedClaims{}
	}
	c := recordedClaims{claimed: recorded.Claimed}
	if f := recorded.First; f != nil {
		peer, _ := netip.ParseAddr(f.PeerIP) // the zero value where there is none
		c.first = &tofu.First{AgentID: trustDomain + f.AgentPath, Time: f.Time, PeerIP: peer, Uses: f.Uses}
	}
	return c
}

func (c recordedClaims) Take(context.Context, tofu.Node) (tofu.Claim, error) { return c, nil }
func (c recordedClaims) Look(context.Context, tofu.Node) (tofu.Claim, error) { return c, nil }
func (c recordedClaims) Held() bool                                          { return !c.claimed }
func (c recordedClaims) First() *tofu.First                                  { return c.first }
func (c recordedClaims) Keep(context.Context, netip.Addr) error              { return nil }
func (c recordedClaims) Release(context.Context) error                       { return nil }
