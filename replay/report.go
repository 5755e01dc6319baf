package replay

import "time"

// A Report says what a candidate policy would have changed.
type Report struct {
	Policy  string `json:"policy"`
	Against string `json:"against"` // another policy, or "recorded"

	// Verdict sums up, and Because says why it is no better.
	Verdict Verdict  `json:"verdict"`
	Because []string `json:"because,omitempty"`

	Log      LogReport      `json:"log"`
	Classes  []Class        `json:"classes"` // those with decisions in them, the worst first
	Whom     []Dimension    `json:"whom"`
	Entries  *EntriesReport `json:"entries,omitempty"` // if entries were given
	Time     TimeReport     `json:"time"`
	Coverage *Coverage      `json:"coverage,omitempty"` // if it was asked for
}

// A Verdict is whether a policy can be shipped.
type Verdict string

// The verdicts.
const (
	Safe      Verdict = "safe"      // nothing changes
	Changes   Verdict = "changes"   // something does: a person has to want it
	None      Verdict = "none"      // nothing was replayed
	Dangerous Verdict = "dangerous" // first use re-opens, entries lose nodes, or there is no answer
)

// A LogReport says what was read.
type LogReport struct {
	Files     int        `json:"files"`
	Lines     int        `json:"lines"` // those of configurations and shadow policies aside
	Replayed  int        `json:"replayed"`
	Unchanged int        `json:"unchanged"`
	Changed   int        `json:"changed"`
	From      *time.Time `json:"from,omitempty"` // the first and the last decision replayed
	To        *time.Time `json:"to,omitempty"`

	// Skipped lines were not replayed; Noted ones were, though something about them
	// is odd.
	Skipped []Remark `json:"skipped,omitempty"`
	Noted   []Remark `json:"noted,omitempty"`
}

// A Remark is the same of several lines.
type Remark struct {
	Why   string `json:"why"`
	Lines int    `json:"lines"`
	First string `json:"first"` // file:line

	// Detail is what there is to say about the first.
	Detail string `json:"detail,omitempty"`

	loading bool // the candidate does not load
}

// A Class is a kind of change. A decision can be in several.
type Class struct {
	Name      ClassName `json:"class"`
	Title     string    `json:"title"`
	Meaning   string    `json:"meaning"`
	Dangerous bool      `json:"dangerous"`

	Decisions int `json:"decisions"`

	// Nodes is how many nodes they are of; NodesAtLeast, that there may be more.
	Nodes        int  `json:"nodes"`
	NodesAtLeast bool `json:"nodes_at_least,omitempty"`

	Groups []Group `json:"groups"` // those with most decisions first

	// Ungrouped decisions are of further groups, for which there was no room.
	Ungrouped int `json:"ungrouped,omitempty"`
}

// A Group is what decisions of a class have in common: the rule that denied, say.
type Group struct {
	Key       string `json:"key"`
	Title     string `json:"title,omitempty"` // of the rule, from its METADATA
	Decisions int    `json:"decisions"`

	// At is where in the candidate the rule is, file:line.
	At []string `json:"at,omitempty"`

	// Entries are IDs of registration entries that nodes come to or are lost to by it.
	Entries []string `json:"entries,omitempty"`

	// Samples are of changed decisions, in the order of the log.
	Samples []*Change `json:"samples"`
}

// A Change is a decision that would have been another.
type Change struct {
	File       string      `json:"file"`
	Line       int         `json:"line"`
	DecisionID string      `json:"decision_id"`
	Time       time.Time   `json:"time"`
	Plugin     string      `json:"plugin"`
	Node       string      `json:"node,omitempty"`
	Classes    []ClassName `json:"classes"`

	// Whom has the node's place in each dimension, "account" say.
	Whom map[string]string `json:"whom"`

	Old *Answer `json:"old"`
	New *Answer `json:"new"`

	again *again // to ask once more
}

// A Dimension says for whom there are changes, by account say.
type Dimension struct {
	Name string    `json:"name"`
	Rows []WhomRow `json:"rows"` // those with most changes first

	// Others are decisions with further values, for which there was no room.
	Others int `json:"others,omitempty"`
}

// A WhomRow is one account, say.
type WhomRow struct {
	Value     string            `json:"value"`
	Decisions int               `json:"decisions"`
	Changed   int               `json:"changed"`
	Classes   map[ClassName]int `json:"classes,omitempty"`
}

// A TimeReport compares how long policy took for both questions of a decision. What
// is recorded was measured on another machine.
type TimeReport struct {
	Recorded  *Times `json:"recorded,omitempty"`
	Against   *Times `json:"against,omitempty"`
	Candidate Times  `json:"candidate"`
}

// Times are of all decisions, to within a sixteenth.
type Times struct {
	Decisions int           `json:"decisions"`
	P50       time.Duration `json:"p50_ns"`
	P99       time.Duration `json:"p99_ns"`
	Max       time.Duration `json:"max_ns"`
}
