package rego

import "time"

// What a policy source may be. Who gets one from elsewhere has to know it, to stop
// in time.
const (
	MaxPolicyFiles     = 1000
	MaxPolicyFileBytes = 4 << 20  // one file
	MaxPolicyBytes     = 64 << 20 // all files
	MaxPolicyEntries   = 10_000   // files that don't count and folders too
	maxDepth           = 16       // folders in folders
)

// What the self-tests of a policy may take, and how much is said about them.
const (
	maxTestTime     = 2 * time.Second // one test
	maxAllTestsTime = time.Minute     // all of them, their compilation included
	maxFailures     = 20              // reported
	maxFailedCases  = 5               // reported of one test
)

// maxTrialBytes is how much memory a policy may take in its tests and on the
// samples, its data not counted. The baseline takes less than one percent of it.
const maxTrialBytes = 256 << 20

// What the document given to a policy may be. The depth is that of any value
// that a collector makes, with room to spare.
const maxInputDepth = 32

// maxKnownNames is how many names of members a reader of documents remembers, of
// which none is longer than maxNameBytes.
const maxKnownNames = 1000

// What an answer may be. An agent ID and a selector end up in columns of 255
// bytes in SPIRE's datastore.
const (
	maxReasons       = 100 // violations, and as many warnings
	maxMessageBytes  = 1024
	maxNames         = 100  // exemptions, required facts, optional facts
	maxMasks         = 1000 // of one event of the decision log
	maxNameBytes     = 64
	maxSelectors     = 1000
	maxSelectorBytes = 255
	maxAgentIDBytes  = 255
)

// What an explanation may be. It takes longer than the evaluation that it is of.
const (
	explainFactor  = 2
	maxReadBytes   = 4 << 10
	maxTraceEvents = 200_000
)

// DefaultTimeout is how long one evaluation may take. The baseline takes less than a
// thousandth of it; the rest is for machines that have much else to do.
const DefaultTimeout = 5 * time.Second

// maxMaskTime is how long each of the two questions may take about an event of the
// decision log, whose end has five seconds for all that are left.
const maxMaskTime = 2 * time.Second
