package azuremsi

import (
	"time"

	"github.com/spire-gatehouse/gatehouse/evidence/batch"
)

// Bounds on what an agent sends. A genuine token has about 1,500 to 2,500 bytes.
const (
	maxPayload     = 64 << 10
	maxToken       = 16 << 10
	maxHeader      = 1 << 10 // bytes of JSON
	maxHeaderDepth = 3
	maxSignature   = 1 << 10
	maxClaimsDepth = 8
	maxText        = 1 << 10 // bytes of one claim
	maxSubject     = 128
	maxScopes      = 64
	maxResourceID  = 1 << 10
	maxNamePart    = 260
)

// Bounds on a token's times.
const (
	// leeway is how far the clocks of Azure, of the node and of this server may
	// be apart.
	leeway = 5 * time.Minute

	// maxTokenLife is well above the day that managed identities' tokens live.
	maxTokenLife = 7 * 24 * time.Hour
)

// Bounds on what an authority publishes. Entra ID's key sets have some 10 keys
// and 20 KiB.
const (
	maxAuthorityBody = 1 << 20
	maxSetDepth      = 4
	maxKeys          = 256
	maxRSABits       = 8192
)

// How long a key set is used, and how often it is asked for.
const (
	keySetLifetime = time.Hour
	keySetRecheck  = 5 * time.Second
	keySetStale    = 24 * time.Hour
	keySetTimeout  = 10 * time.Second

	// keySetPatience is how long a fetch may take until another is begun beside it.
	keySetPatience = 2 * time.Second
)

// Bounds on what Resource Manager answers about one machine, above Azure's own.
// An answer beyond them is an error, as part of a list would mislead policy.
const (
	maxResourceManagerBody = 4 << 20
	maxTags                = 100
	maxTagText             = 1 << 10
	maxInterfaces          = 64
	maxIPConfigurations    = 1024 // of one interface
	maxIdentities          = 1024 // that users assigned to one machine
)

// How long facts are used. A fact that is older than factLifetime is asked for
// again, one that would deny a node after factRecheck already.
const (
	factLifetime  = time.Minute
	factRecheck   = 3 * time.Second
	factTimeout   = 20 * time.Second
	factCacheSize = 4096

	// A list is only for what Resource Graph doesn't have yet.
	listLifetime = 10 * time.Second
	listRecheck  = 3 * time.Second
	maxLists     = 64
	maxListPages = 50

	// maxSpellingReads is how many resources of a group are read, one after another,
	// until one tells how the group is spelt.
	maxSpellingReads = 3

	// maxWaiting is how many may wait for the next reading of one thing: tokens with
	// an unknown key for that of the keys, too.
	maxWaiting = 1024

	// maxRetries is how often Resource Manager is asked again when it throttles or
	// fails. The context ends that first: a fleet that boots together waits for its
	// turn, and is not sent away.
	maxRetries = 100

	// attemptTimeout is how long one request may take: one that hangs is tried again.
	attemptTimeout = 5 * time.Second

	// interfaceReaders is how many interfaces of one machine are read at once.
	interfaceReaders = 4

	// atOnce is how many resources of a batch are read by their IDs at once.
	atOnce = 4

	// maxClients is for how many tenants' subscriptions the SDK's clients are kept.
	maxClients = 1024
)

// How resources are read together. Resource Graph allows a credential some 15
// queries in 5 seconds, and wants less than 300 of a kind in one.
const (
	// few resources are not a batch: each is read by its ID.
	few = 2

	batchSize = 200

	// graphRows is as many as Resource Graph gives on a page.
	graphRows = 1000

	// graphTimeout is how long Resource Graph is waited for before Resource Manager
	// is asked in its place; graphPause is how long it is left alone when it refuses.
	graphTimeout = 8 * time.Second
	graphPause   = time.Minute
	maxQuotaWait = 10 * time.Second
)

// batchOptions are those of the batches of a tenant and subscription.
func batchOptions(name string) batch.Options {
	return batch.Options{
		Name: name, Size: batchSize, Concurrency: 2, Pace: 500 * time.Millisecond, Patience: 2 * time.Second,
		Waiting: 5_000, Timeout: factTimeout,
	}
}

// How long it is believed that there is a default credential, or none.
const (
	credentialLifetime = 5 * time.Minute
	credentialRecheck  = 10 * time.Second
	credentialTimeout  = 20 * time.Second
	MaxTenants         = 8192
)

// retryAfter is the time between two readings of what can't be had.
const retryAfter = time.Second
