package configcheck

// A Report is what there is to say about a configuration file.
type Report struct {
	File  string `json:"file"`
	Valid bool   `json:"valid"`

	// Problems are those of the file; each plugin has its own.
	Problems []Problem `json:"problems,omitempty"`
	Plugins  []Plugin  `json:"plugins"`
}

// A Problem is one thing that is wrong.
type Problem struct {
	File string `json:"file"`
	Line int    `json:"line,omitempty"` // 0 if it is in no one line
	Key  string `json:"key,omitempty"`  // of plugin_data, or of the plugin
	Msg  string `json:"msg"`
}

// Plugin is what there is to say about one plugin.
type Plugin struct {
	Name     string    `json:"plugin"`
	Line     int       `json:"line,omitempty"`
	Disabled bool      `json:"disabled,omitempty"` // SPIRE doesn't look at it
	Valid    bool      `json:"valid"`
	Problems []Problem `json:"problems,omitempty"`
	Warnings []string  `json:"warnings,omitempty"`
	Binary   *Binary   `json:"binary,omitempty"`
	InForce  *InForce  `json:"in_force,omitempty"` // nil unless the plugin is valid
}

// Binary is the program that SPIRE would start.
type Binary struct {
	Path       string `json:"path"`
	Checksum   string `json:"checksum,omitempty"`   // SHA-256 of the program, in hex
	Configured string `json:"configured,omitempty"` // plugin_checksum
	Skipped    bool   `json:"skipped,omitempty"`    // it was not looked at
}

// InForce is what would decide about nodes.
type InForce struct {
	PolicySource   string   `json:"policy_source"`
	PolicyRevision string   `json:"policy_revision"`
	Rules          []Rule   `json:"rules"`
	RequiredFacts  []string `json:"required_facts"`
	OptionalFacts  []string `json:"optional_facts"`
	Shadow         *Shadow  `json:"shadow,omitempty"` // nil unless there is a good one
}

// Shadow is the policy that would be asked beside it.
type Shadow struct {
	PolicySource   string `json:"policy_source"`
	PolicyRevision string `json:"policy_revision"`
}

// Rule is one check of the policy.
type Rule struct {
	Rule        string `json:"rule"`
	Title       string `json:"title,omitempty"`
	File        string `json:"file"`
	Line        int    `json:"line"`
	Enforcement string `json:"enforcement"` // "deny", "warn" or "off"
}
