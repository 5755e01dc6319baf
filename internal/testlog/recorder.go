package testlog

import (
	"context"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/spire-gatehouse/gatehouse/attestor/decisionlog"
	"github.com/spire-gatehouse/gatehouse/rego"
)

// recorder takes decisions in the order in which an attestation does.
type recorder struct {
	plugin string
	labels map[string]string
	engine *rego.Engine
	config *decisionlog.PolicyConfig
}

func (r recorder) attest(ctx context.Context, a attempt, id string, now time.Time, random *rand.Rand) (*decisionlog.Event, error) {
	e := &decisionlog.Event{
		DecisionID: id, Time: now, Engine: r.engine, Config: r.config,
		Took:    map[string]time.Duration{"verify": millisecond(random)},
		Outcome: decisionlog.Outcome{Outcome: "attested"},
	}
	if a.rejected != "" {
		e.Outcome.Outcome, e.Outcome.Error = "bad_evidence", "verify: "+a.rejected
		return e, nil
	}
	e.PeerIP, e.Outcome.Node = a.input.PeerIP, a.node
	ctx = rego.WithObserver(ctx, func(asked rego.Asked) { e.Asked = asked })
	in := a.input
	in.Facts, in.FactsStatus = nil, nil
	e.Took["admit"] = millisecond(random) / 2
	admission, err := r.engine.Admit(ctx, in)
	if err != nil {
		return nil, err
	}
	if admission.AgentPath != "" {
		e.Outcome.AgentID = "spiffe://" + TrustDomain + admission.AgentPath
	}
	if refused(e, admission.Denials()) {
		return e, nil
	}
	if a.fails {
		e.Outcome.Outcome, e.Outcome.Error = "unavailable", "gather: fact "+strings.Join(admission.Required, ", ")+": no answer within 20s"
		return e, nil
	}
	in.Facts, in.FactsStatus = map[string]any{}, maps.Clone(a.input.FactsStatus)
	for name, fact := range a.input.Facts {
		if slices.Contains(admission.Required, name) || slices.Contains(admission.Optional, name) {
			in.Facts[name] = fact
		} else {
			in.FactsStatus[name] = "not_collected"
		}
	}
	e.Took["decide"] = millisecond(random)
	decision, err := r.engine.Decide(ctx, in)
	if err != nil {
		return nil, err
	}
	refused(e, decision.Denials())
	return e, nil
}

// refused says so in the event if there are reasons to.
func refused(e *decisionlog.Event, denials []rego.Violation) bool {
	if len(denials) == 0 {
		return false
	}
	e.Outcome.Outcome = "denied_for_now"
	var texts []string
	for _, v := range denials {
		if !v.Transient {
			e.Outcome.Outcome = "denied"
		}
		texts = append(texts, v.Rule+": "+v.Msg)
	}
	e.Outcome.Error = strings.Join(texts, "; ")
	return true
}

func millisecond(random *rand.Rand) time.Duration {
	return time.Duration(random.IntN(int(time.Millisecond)))
}

// one is one of several.
func one[T any](random *rand.Rand, of ...T) T { return of[random.IntN(len(of))] }

// chance is true so many times of a hundred.
func chance(random *rand.Rand, percent int) bool { return random.IntN(100) < percent }
