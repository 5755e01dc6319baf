package recording

// A recording has steps. At each a part of the fleet boots, and all that booted in the
// last few attest, each once.
const (
	boots    = 25 // steps at which machines boot
	attempts = 4  // of each machine
	steps    = boots + attempts - 1

	// change is the step at which the server is configured anew.
	change = steps / 2
)

// Schedule says when a machine attests.
type Schedule struct {
	// Boots is the step at which it attests for the first time, and then at each of
	// the next ones.
	Boots int

	// Down says that the cloud does not answer the first time.
	Down bool

	// Twice says that somebody else attests at the same moment the first time, with
	// the same evidence, and that both then pause for a step.
	Twice bool
}

// scheduled is when the i-th of so many machines attests.
func scheduled(i, of int) Schedule { return Schedule{Boots: i * boots / of} }

// at is how often it attests at a step.
func (s Schedule) at(step int) int {
	switch k := step - s.Boots; {
	case k < 0 || k >= attempts:
		return 0
	case s.Twice && k < 2:
		return 2 * (1 - k)
	}
	return 1
}
