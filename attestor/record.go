package attestor

import (
	"context"
	"net/netip"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/hashicorp/go-hclog"

	"github.com/spire-gatehouse/gatehouse/attestor/decisionlog"
	"github.com/spire-gatehouse/gatehouse/evidence"
	"github.com/spire-gatehouse/gatehouse/rego"
)

// record is what there is to say about one attestation: the one line of the
// server's log and the event of the decision log come from it. Nothing of the
// payload itself is in it: evidence is a bearer credential.
type record struct {
	decisionID string
	started    time.Time
	now        func() time.Time

	// snapshot decided; nil if SPIRE has not configured the plugin.
	snapshot *snapshot

	consulted

	peerIP      netip.Addr
	identity    string
	agentID     string
	factErrors  []string
	claimError  string // why a claim holds the node for longer than it should
	selectors   []string
	canReattest bool
	payload     *decisionlog.Payload // of evidence that was refused

	claims []string // what came of the claim, in the words of metrics

	took   map[string]time.Duration // by step
	clouds listener
}

// consulted is what came of the last question to policy.
type consulted struct {
	asked    rego.Asked
	judged   *judgement // policy's last word; nil while there is none
	exempt   []string
	warnings []rego.Violation
}

func newRecord(now func() time.Time, s *snapshot, m meter) *record {
	rec := &record{decisionID: uuid.NewString(), started: now(), now: now, snapshot: s, took: map[string]time.Duration{}}
	rec.clouds.meter = m
	return rec
}

// revision is the policy's.
func (rec *record) revision() string {
	if rec.snapshot == nil {
		return ""
	}
	return rec.snapshot.engine.Revision()
}

// observe has the record hear of what is done for ctx.
func (rec *record) observe(ctx context.Context) context.Context {
	ctx = rego.WithObserver(ctx, func(asked rego.Asked) { rec.asked = asked })
	return evidence.WithObserver(ctx, &rec.clouds)
}

// time measures a step, from now until the function that it returns is called. A
// step that is taken twice took both together.
func (rec *record) time(step string) (end func()) {
	began := rec.now()
	return func() { rec.took[step] += rec.now().Sub(began) }
}

// claimed notes what came of asking for a claim, or of having it.
func (rec *record) claimed(result string) { rec.claims = append(rec.claims, result) }

// log writes the attestation's one line; r is nil if the node was let in.
func (rec *record) log(log hclog.Logger, r *refusal) {
	fields := []any{
		"decision_id", rec.decisionID,
		"policy_revision", rec.revision(),
		"elapsed", rec.took["total"].String(),
	}
	add := func(key, value string) {
		if value != "" {
			fields = append(fields, key, value)
		}
	}
	add("node", rec.identity)
	add("agent_id", rec.agentID)
	add("claim_error", cutReason(rec.claimError))
	if len(rec.exempt) > 0 {
		fields = append(fields, "exempt", rec.exempt)
	}
	if len(rec.warnings) > 0 {
		fields = append(fields, "warnings", cutReason(reasons(rec.warnings)))
	}
	if len(rec.factErrors) > 0 {
		fields = append(fields, "fact_errors", cutAll(rec.factErrors))
	}
	if r == nil {
		log.Info("Node attested", append(fields, "selectors", len(rec.selectors), "can_reattest", rec.canReattest)...)
		return
	}
	if rules := r.rules(); len(rules) > 0 {
		fields = append(fields, "rules", rules)
	}
	fields = append(fields, "outcome", r.class.name, "reason", cutReason(r.Error()))
	if r.class == internal || r.class == panicked {
		log.Error("Node attestation refused", fields...)
	} else {
		log.Warn("Node attestation refused", fields...)
	}
}

// cutReason bounds what is wrong with one attestation, or one file of policy.
func cutReason(text string) string { return cut(text, maxLoggedReason) }

// cut bounds a text for the log to some bytes, at the end of a character.
func cut(text string, limit int) string {
	if len(text) <= limit {
		return text
	}
	return strings.ToValidUTF8(text[:limit], "") + "… (cut)"
}
