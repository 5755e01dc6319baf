package decisionlog

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/netip"
	"time"

	"github.com/spire-gatehouse/gatehouse/rego"
)

// An Event is one attestation. It must not change once it is in a Log.
type Event struct {
	DecisionID string
	Time       time.Time // input.time, if there is an input
	PeerIP     netip.Addr

	// Asked is what policy was asked last; the zero value if it was not asked. With
	// Outcome.Shadow it is what the shadow policy was.
	Asked rego.Asked

	// Engine decided, and says what may be in the log; nil if nothing was
	// configured.
	Engine *rego.Engine
	Config *PolicyConfig

	// Bundles has the revision of each bundle that the policy is made of, by its name.
	Bundles map[string]string

	// Took has how long each step took, and "total".
	Took map[string]time.Duration

	Outcome Outcome
}

// An Outcome is what came of an attestation: custom.gatehouse of a line.
type Outcome struct {
	// Outcome is "attested", or the class of the refusal.
	Outcome string `json:"outcome"`

	// Error is why it was refused.
	Error string `json:"error,omitempty"`

	// Config is the digest of the configuration: of the configuration line above.
	Config string `json:"config,omitempty"`

	Node    string `json:"node,omitempty"` // the evidence's own identity
	AgentID string `json:"agent_id,omitempty"`

	// Rules fired, by what came of it.
	Rules []rego.Fired `json:"rules,omitempty"`

	Calls        []Call   `json:"calls,omitempty"`
	CallsOmitted int      `json:"calls_omitted,omitempty"`
	Lookups      []Lookup `json:"lookups,omitempty"`

	// FactErrors say which optional facts could not be learned, and why.
	FactErrors []string `json:"fact_errors,omitempty"`

	// Payload is there if the evidence was refused before anything in it was
	// verified: it may be compared, but not shown.
	Payload *Payload `json:"payload,omitempty"`

	// Shadow is how a shadow policy's answer differs; nil of any other event.
	Shadow *Shadow `json:"shadow,omitempty"`

	// Withheld says why parts of the event are not there that policy did not ask
	// to take away.
	Withheld string `json:"withheld,omitempty"`
}

// A Shadow is what a shadow policy would have done, compared with what was done.
type Shadow struct {
	// Revision is the shadow policy's.
	Revision string `json:"revision"`

	// Outcome is "attested", "denied", "denied_for_now", "admitted" if it would not
	// have denied at admission, and what then is not known, "undecided" for want of
	// facts, or "failed".
	Outcome string `json:"outcome"`

	// Differences are those that metrics count.
	Differences []string `json:"differences,omitempty"`

	// AgentPath is the shadow's, if it is another.
	AgentPath string `json:"agent_path,omitempty"`

	SelectorsGained []string `json:"selectors_gained,omitempty"`
	SelectorsLost   []string `json:"selectors_lost,omitempty"`

	// Rules are those that the shadow denies by.
	Rules []string `json:"rules,omitempty"`

	// FactsMissing are facts that the shadow asks for, and that the policy in force
	// did not. They were not collected for it.
	FactsMissing []string `json:"facts_missing,omitempty"`

	// Error is why the evaluation failed.
	Error string `json:"error,omitempty"`
}

// A Call is one call to a cloud.
type Call struct {
	API       string        `json:"api"`
	Elapsed   time.Duration `json:"elapsed_ns"`
	Throttled int           `json:"throttled,omitempty"`
	Error     string        `json:"error,omitempty"`
}

// A Lookup is how often a cache was asked with one result.
type Lookup struct {
	Cache  string        `json:"cache"`
	Result string        `json:"result"`
	Count  int           `json:"count"`
	Age    time.Duration `json:"age_ns,omitempty"` // of the oldest answer
}

// A Payload identifies what an agent sent.
type Payload struct {
	Bytes  int    `json:"bytes"`
	SHA256 string `json:"sha256"`
}

// PayloadOf identifies a payload.
func PayloadOf(payload []byte) *Payload {
	sum := sha256.Sum256(payload)
	return &Payload{Bytes: len(payload), SHA256: hex.EncodeToString(sum[:])}
}

// PolicyConfig is data.gatehouse.config as one configuration has it. It is written
// once above the decisions that are made with it.
type PolicyConfig struct {
	digest string
	value  any
}

// NewPolicyConfig takes the configuration that policy sees.
func NewPolicyConfig(config map[string]any) (*PolicyConfig, error) {
	text, err := json.Marshal(config)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(text)
	return &PolicyConfig{digest: hex.EncodeToString(sum[:]), value: config}, nil
}
