package attestor

import "time"

// Bounds on the configuration, and on what one attestation may take and write.
const (
	minCloudTimeout      = time.Second
	maxCloudTimeout      = 5 * time.Minute
	maxAgentPathTemplate = 4096 // bytes

	// What the block limits may say.
	maxConcurrent = 100_000
	maxWaiting    = 100_000
	maxWait       = time.Minute

	// Every time in the block cache. A shorter one than a second would ask the cloud
	// for each node again, a longer one than a week would hardly be meant.
	minCacheTime = time.Second
	maxCacheTime = 7 * 24 * time.Hour

	// minOrgAccountMapTTL is that of SPIRE's built-in plugin.
	minOrgAccountMapTTL = time.Minute

	// What the block claims may say.
	minClaimTTL          = time.Second
	maxClaimTTL          = time.Hour
	maxClaimsConnections = 1000
	minClaimsTimeout     = 100 * time.Millisecond
	maxClaimsTimeout     = time.Minute

	// What the blocks policy and decision_log may say.
	minStartTimeout = time.Second
	maxStartTimeout = 10 * time.Minute
	maxLogFileMB    = 1 << 20

	// maxReads is how often a directory of policy is read that changes meanwhile.
	maxReads = 3

	// maxLoggedReason bounds, in bytes, what one refusal may write to the log:
	// reasons quote tags and names that a node's owner chose.
	maxLoggedReason = 4 << 10

	// maxLoggedProblems bounds the log lines of one bad revision of policy.
	maxLoggedProblems = 50

	// maxShadowWaiting bounds how many decisions wait for the shadow policy. Each
	// holds its input: some ten kilobytes as a rule.
	maxShadowWaiting = 200

	// shadowEndTime is how long a configuration waits for the end of the shadow policy
	// before it: for what it is asked or what it loads. Both are told to stop, but there
	// are built-ins that nothing stops.
	shadowEndTime = 5 * time.Second

	// What the decision log has of one attestation's cloud calls.
	maxLoggedCalls   = 100
	maxLoggedLookups = 100
	maxLoggedError   = 512 // bytes of one call's
)
