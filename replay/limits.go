package replay

import "time"

// What a report keeps of a log of any length.
const (
	maxGroups       = 100     // of a class
	defaultSamples  = 20      // of a group
	maxNodes        = 1 << 16 // of a class, told apart
	maxWhomValues   = 1000    // of a dimension, told apart
	maxWhomRows     = 20      // reported
	maxRemarks      = 50      // kinds of odd lines
	maxSitesSamples = 10      // of a group, that are asked where they were denied
	maxGroupEntries = 20      // reported of a group
	maxJUnitEntries = 100     // named in JUnit's XML
	maxVersions     = 16      // of Gatehouse, whose inputs are checked
	maxEngines      = 16      // configurations that are kept loaded, ten megabytes each
)

// What is under way at a time.
const (
	batchLines = 64
	batchBytes = 256 << 10
)

// maxEntriesBytes is how long a list of registration entries may be: some half a
// million of them.
const maxEntriesBytes = 512 << 20

// askTimeout is how long one question may take: many times as long as in an
// attestation, as all processors are busy with replaying.
const askTimeout = 20 * time.Second

// maxLate is how many decisions may take that long before their policy is given up.
const maxLate = 10

// MaxSamples is how many samples of a group may be asked for.
const MaxSamples = 200
