package replay

// A ClassName names a class of changes.
type ClassName string

// The classes.
const (
	AgentIDChanged  ClassName = "agent_id_changed"
	NoAnswer        ClassName = "no_answer"
	NewlyDenied     ClassName = "newly_denied"
	NewlyAllowed    ClassName = "newly_allowed"
	SelectorsLost   ClassName = "selectors_lost"
	SelectorsGained ClassName = "selectors_gained"
	Reattestation   ClassName = "can_reattest"
	OtherReasons    ClassName = "other_reasons"
	Warnings        ClassName = "warnings"
	Exemptions      ClassName = "exemptions"
	FactsLacking    ClassName = "facts_lacking"
)

// classes has all classes in the order in which people are told of them.
var classes = []struct {
	name      ClassName
	title     string
	meaning   string
	dangerous bool
}{
	{AgentIDChanged, "Agent IDs changed",
		"First use re-opens: the same evidence can attest once more under the new ID. Registration entries below the old ID detach.", true},
	{NoAnswer, "No answer",
		"The candidate fails, or answers what may not be answered: every such node is refused.", true},
	{NewlyDenied, "Newly denied", "Let in then, refused by the candidate.", false},
	{NewlyAllowed, "Newly allowed", "Refused then, let in by the candidate.", false},
	{SelectorsLost, "Selectors lost", "Registration entries that name them no longer match the node.", false},
	{SelectorsGained, "Selectors gained", "Registration entries that name them match the node now.", false},
	{Reattestation, "Attesting again",
		"An agent that may attest again must do so: SPIRE no longer renews its SVID. One that no longer may is refused the next time.", false},
	{OtherReasons, "Denied for other reasons", "Refused then and now, by other rules, or for now instead of for good: only for a reason that passes does the agent try again.", false},
	{Warnings, "Warnings", "Rules that warn now and did not, or no longer do.", false},
	{Exemptions, "Exemptions", "Rules that are exempt now and were not, or no longer are.", false},
	{FactsLacking, "Can't be told", "The candidate wants a fact that the log does not have: what it would decide is not known.", false},
}

// ClassNames lists all classes, the worst first.
func ClassNames() []ClassName {
	names := make([]ClassName, 0, len(classes))
	for _, c := range classes {
		names = append(names, c.name)
	}
	return names
}
