// Package recording records a decision log: a fleet of machines attests to a real
// SPIRE server that runs Gatehouse, which asks the stand-ins of AWS and Azure about
// them and writes its log.
//
// Who is in the fleet is drawn from a seed before anything is booted, so that a test
// can say from the definition alone what a policy changes for whom. What is new each
// time are IDs of decisions, keys and what comes of them, times, and the order in
// which those that attest at once come to an end.
//
// Start at NewFleet and Record.
package recording

import (
	"math/rand/v2"
)

// Seed and Machines are of the log in testdata/replay/log.
const (
	Seed     = 8
	Machines = 2500
)

// Fleet is machines of AWS and of Azure, before they are booted.
type Fleet struct {
	Instances []Instance
	VMs       []VM
}

// NewFleet draws a fleet: of ten machines one is Azure's. The same seed gives the same
// one. From 100 machines on there is one of every kind.
func NewFleet(seed uint64, machines int) Fleet {
	random := rand.New(rand.NewPCG(seed, seed))
	f := Fleet{Instances: make([]Instance, machines-machines/10), VMs: make([]VM, machines/10)}
	for i := range f.Instances {
		f.Instances[i] = newInstance(random, i, len(f.Instances))
	}
	for i := range f.VMs {
		f.VMs[i] = newVM(random, i, len(f.VMs))
	}
	return f
}

// Decisions is how many a recording of the fleet has.
func (f Fleet) Decisions() int { return attempts * (len(f.Instances) + len(f.VMs)) }

// one is one of several.
func one[T any](random *rand.Rand, of ...T) T { return of[random.IntN(len(of))] }

// chance is true so many times of a hundred.
func chance(random *rand.Rand, percent int) bool { return random.IntN(100) < percent }
