package decisionlog

// Bounds on what is logged: there are names and tags in it that a node's owner chose.
const (
	// What a line may be. The baseline's lines have some ten kilobytes.
	maxLine       = 1 << 20 // bytes, of a decision
	maxConfigLine = 8 << 20 // bytes, of a configuration: with thousands of tenants

	// maxConsoleText is how long the text of an event may be in a line of the server's
	// log. SPIRE reads lines of a plugin up to 64 KiB, and mangles others.
	maxConsoleText = 48 << 10

	// maxProblem bounds, in characters, what one line of OPA's may say.
	maxProblem = 1000

	// maxWaiting bounds how many events wait to be written. Each holds its input
	// document: some ten kilobytes as a rule.
	maxWaiting = 1000

	// maxConfigs is how many configurations a Reader remembers. In one file the nearest
	// is the one; where a collector mixed the logs of several servers it may be another.
	maxConfigs = 64
)
