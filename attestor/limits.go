package attestor

import "time"

// Bounds on the configuration, and on what one attestation may take and write.
const (
	maxCloudTimeout      = 5 * time.Minute
	maxAgentPathTemplate = 4096 // bytes
	maxEKSClusters       = 1000
	maxAzureTenants      = 8192

	// What the block limits may say.
	maxConcurrent = 100_000
	maxWaiting    = 100_000
	maxWait       = time.Minute

	// maxLoggedReason bounds, in bytes, what one refusal may write to the log:
	// reasons quote tags and names that a node's owner chose.
	maxLoggedReason = 4 << 10

	// maxLoggedProblems bounds the log lines of one bad revision of policy.
	maxLoggedProblems = 50

	// maxShadowWaiting bounds how many decisions wait for the shadow policy. Each
	// holds its input: some ten kilobytes as a rule.
	maxShadowWaiting = 200
)
