package attestor

import (
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/hashicorp/go-hclog"
	"github.com/spire-gatehouse/gatehouse/rego"
)

// maxLoggedReason bounds, in bytes, what one refusal may write to the log:
// reasons quote tags and names that a node's owner chose.
const maxLoggedReason = 4 << 10

// record is what there is to say about one attestation. Nothing of the payload
// itself is in it: evidence is a bearer credential.
type record struct {
	decisionID string
	started    time.Time
	revision   string // of the policy

	identity    string
	agentID     string
	factErrors  []string
	exempt      []string
	warnings    []rego.Violation
	selectors   []string
	canReattest bool
}

func newRecord(now time.Time, s *snapshot) *record {
	rec := &record{decisionID: uuid.NewString(), started: now}
	if s != nil {
		rec.revision = s.engine.Revision()
	}
	return rec
}

// log writes the attestation's one line. now is the time it ended at.
func (rec *record) log(log hclog.Logger, now time.Time, r *refusal) {
	fields := []any{
		"decision_id", rec.decisionID,
		"policy_revision", rec.revision,
		"elapsed", now.Sub(rec.started).String(),
	}
	add := func(key, value string) {
		if value != "" {
			fields = append(fields, key, value)
		}
	}
	add("node", rec.identity)
	add("agent_id", rec.agentID)
	if len(rec.exempt) > 0 {
		fields = append(fields, "exempt", rec.exempt)
	}
	if len(rec.warnings) > 0 {
		fields = append(fields, "warnings", cut(reasons(rec.warnings)))
	}
	if len(rec.factErrors) > 0 {
		fields = append(fields, "fact_errors", rec.factErrors)
	}
	if r == nil {
		log.Info("Node attested", append(fields, "selectors", len(rec.selectors), "can_reattest", rec.canReattest)...)
		return
	}
	if rules := r.rules(); len(rules) > 0 {
		fields = append(fields, "rules", rules)
	}
	fields = append(fields, "outcome", r.class.name, "reason", cut(r.Error()))
	if r.class == internal {
		log.Error("Node attestation refused", fields...)
	} else {
		log.Warn("Node attestation refused", fields...)
	}
}

// cut bounds a text for the log, at the end of a character.
func cut(text string) string {
	if len(text) <= maxLoggedReason {
		return text
	}
	return strings.ToValidUTF8(text[:maxLoggedReason], "") + "… (cut)"
}
