package azuremsi

import (
	"context"

	"github.com/spire-gatehouse/gatehouse/evidence"
)

// Evidence is a verified token. Only Verify makes it.
type Evidence struct {
	collector *Collector
	claims    Claims
	named     named
}

var _ evidence.Evidence = (*Evidence)(nil)

// Claims implements evidence.Evidence. It returns a Claims.
func (e *Evidence) Claims() any { return e.claims }

// Identity implements evidence.Evidence: the tenant, and the machine that the
// token names, or else its principal. Of a scale set whose tokens don't name the
// instance, all instances have one identity.
func (e *Evidence) Identity() string {
	identity := "azure/" + e.claims.TenantID
	if e.named.machine != nil {
		return identity + e.named.machine.ID
	}
	return identity + "/" + e.claims.PrincipalID
}

// Gather implements evidence.Evidence.
//
// The machine is the one that the token names, read by its ID. It is searched
// for by its principal only when the token names nothing at all, as tokens do
// that are not for one of Microsoft's own services. In either case the machine
// must hold the identity that the token is of, or the facts are absent: a token
// can outlive its machine, and another be made under the old name.
//
// All facts are not_collected when there is no credential to ask Resource Manager
// with. They are absent, and nobody is asked, for a token of something else than a
// machine, and for that of a whole scale set, which says nothing of the instance.
func (e *Evidence) Gather(ctx context.Context, names []string) map[string]evidence.Fact {
	return e.collector.facts.gather(ctx, e, names)
}
