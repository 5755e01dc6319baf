package awsiid

import (
	"time"

	"github.com/spire-gatehouse/gatehouse/evidence/batch"
)

// Bounds on what comes from outside. A genuine document has about 500 bytes, its
// PKCS#7 envelope about 1,100, and a payload about 2,500.
const (
	maxPayload       = 64 << 10
	maxDocument      = 8 << 10
	maxDocumentDepth = 4
	maxEnvelope      = 12 << 10
	maxEnvelopeText  = 18 << 10 // maxEnvelope in base64, with room for line ends
	maxSignatureText = 1 << 10

	// AWS's envelope nests 11 levels deep and has 85 elements; a certificate in
	// it would add some 70 elements and no level.
	maxBERDepth    = 16
	maxBERElements = 512

	maxField      = 256 // bytes of one string in a document
	maxFieldItems = 64  // entries of one list in a document

	// maxFuture is how far ahead of this server's clock AWS's may be.
	maxFuture = 5 * time.Minute
)

// Bounds on an operator's directory of certificates.
const (
	maxCertificateFiles    = 256
	maxCertificateFile     = 64 << 10
	maxCertificatesPerFile = 8
	maxKeyBits             = 8192
)

// Bounds on what EC2 answers about one instance, well above EC2's own quotas.
// An answer beyond them is an error, as part of a list would mislead policy.
const (
	maxTags              = 200
	maxSecurityGroups    = 256
	maxNetworkInterfaces = 256
	maxAddresses         = 1024 // of one kind on one interface
	maxBlockDevices      = 256
	maxFactString        = 1024
)

// Bounds on what other AWS services answer, again well above their quotas.
const (
	maxRoles         = 16 // of an instance profile; IAM allows one
	maxAccounts      = 50_000
	maxPaths         = 64      // of an account in its organization
	maxAccountList   = 1 << 20 // bytes of an account list file
	maxNodeGroups    = 1_000   // of a cluster
	maxScalingGroups = 2_000   // of a cluster
	maxNodes         = 100_000 // of a cluster
	maxPages         = 5_000   // of one list; a page may be empty
	MaxClusters      = 1_000   // configured ones
	maxAnswer        = 32 << 20
)

// groupsPerCall is how many Auto Scaling groups one call may name.
const groupsPerCall = 50

// instanceBatches are how instances are described together, for each account and
// region. EC2 lets through 100 calls at once and then 20 a second, or half of that:
// https://docs.aws.amazon.com/ec2/latest/devguide/ec2-api-throttling.html
// A hundred instances are some 800 KB of answer.
func instanceBatches() batch.Options {
	return batch.Options{
		Name: factInstance, Size: 100, Concurrency: 4, Pace: 500 * time.Millisecond, Patience: 2 * time.Second,
		Waiting: 5_000, Timeout: 2 * time.Minute,
	}
}

// Bounds on calls. Lists are loaded for all who wait for them, and so may take
// longer than one attestation.
const (
	attemptTimeout      = 5 * time.Second // of one HTTP request: one that hangs is tried again
	profileLoadTimeout  = 30 * time.Second
	clusterLoadTimeout  = time.Minute
	accountsLoadTimeout = 5 * time.Minute

	// maxConcurrentClusters of an account and region are read at a time, each with
	// as many as maxConcurrentCalls.
	maxConcurrentClusters = 4
	maxConcurrentCalls    = 4

	// maxAttempts is how often a call is tried. One that is throttled is tried more
	// often: its context ends that first, so that a fleet waits for its turn and is
	// not sent away.
	maxAttempts          = 3
	maxThrottledAttempts = 100
	maxBackoff           = 5 * time.Second

	// maxWaiting is how many may wait for the next reading of one list.
	maxWaiting = 1024
)

// Lifetimes of cached answers. None is used any longer, even if AWS is down. That
// something isn't there is said only by an answer no older than the question, for
// which it may have to wait for as long as recheck.
const (
	profileLifetime = time.Minute
	clusterLifetime = 30 * time.Second
	recheck         = 10 * time.Second

	// retryAfter is the time between two readings of what can't be had.
	retryAfter = time.Second
)

// How many of these are kept. The least recently used goes first.
const (
	maxClients     = 1024
	maxCredentials = 1024
	maxProfiles    = 4096
	maxMemberships = 4096
)

// youngInstance is how long after its launch EC2, which is eventually consistent,
// may not know an instance yet everywhere.
const youngInstance = 5 * time.Minute

// absentPauses come before EC2 is asked again for a young instance.
func absentPauses() []time.Duration { return []time.Duration{2 * time.Second, 5 * time.Second} }
