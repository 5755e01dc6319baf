package recording

import (
	"fmt"
	"math/rand/v2"
	"time"
)

// An Instance of AWS.
type Instance struct {
	Schedule

	ID, Account, Region, Zone, Image, PrivateIP string

	// Age is how long it has been running when the recording begins.
	Age time.Duration

	Name, Env string // tags
	Team      string // another; "" for none
	Hostile   bool   // has a tag that would be a script, were it shown as it is

	Group      string // security group
	Profile    string // of IAM, "" for none
	HTTPTokens string // metadata option

	Forged  bool   // whoever signed its document is not AWS
	Unknown bool   // to EC2
	State   string // "running", "stopped" or "terminated"

	// Replaced says that its root volume was taken out and put back.
	Replaced bool
}

// excluded is the account that is not an allowed one from change on.
const excluded = "555555555555"

// accounts are those that are allowed then, the first of which has most instances.
var accounts = []string{"111111111111", "222222222222", "333333333333", "444444444444"}

var regions = []string{"us-east-1", "us-west-2", "eu-west-1"}

// newInstance draws the i-th of so many. What is rare is not left to chance: of 40
// there is one of each.
func newInstance(random *rand.Rand, i, of int) Instance {
	m := Instance{
		Schedule: scheduled(i, of),
		ID:       fmt.Sprintf("i-%017x", random.Uint64N(1<<60)), Region: one(random, regions...),
		Account:   append(accounts, excluded)[max(random.IntN(8)-3, 0)],
		Image:     one(random, "ami-0aaaaaaaaaaaaaaaa", "ami-0bbbbbbbbbbbbbbbb", "ami-0cccccccccccccccc"),
		PrivateIP: fmt.Sprintf("10.%d.%d.%d", i>>16&255, i>>8&255, i&255),
		Age:       5*time.Minute + time.Duration(random.IntN(100*24*60))*time.Minute,
		Team:      one(random, "payments", "search", "web", "data"), Env: one(random, "prod", "prod", "staging", "dev"),
		Group: one(random, "web", "db"), HTTPTokens: one(random, "required", "required", "required", "optional"),
		State: "running",
	}
	m.Zone = m.Region + one(random, "a", "b", "c")
	m.Name = fmt.Sprintf("%s-%d", m.Team, random.IntN(50))
	if chance(random, 60) {
		m.Profile = one(random, "web", "worker")
	}
	if i%17 == 5 {
		m.Team = ""
	}
	switch i % 40 {
	case 2:
		m.Hostile = true
	case 7:
		m.Forged = true
	case 11:
		m.Unknown = true
	case 13:
		m.State = "stopped"
	case 17:
		m.State = "terminated"
	case 19, 31:
		m.Replaced = true
	case 23:
		m.Replaced, m.State = true, "stopped"
	}
	// Both cost seconds, however many are affected.
	m.Down = m.Boots%12 == 2 && i%8 == 1
	if m.Twice = m.Boots%5 == 4 && i%8 == 3; m.Twice {
		m.Account = accounts[0]
	}
	return m
}

// Node is what decisions about it are about.
func (m Instance) Node() string { return "aws/" + m.Account + "/" + m.ID }

// Sound says that the baseline has nothing against what AWS says of it.
func (m Instance) Sound() bool { return !m.Unknown && !m.Replaced && m.State == "running" }

// Decided says that it came as far as to a decision from facts, once at least.
func (m Instance) Decided() bool { return m.decided() < steps }

// Admitted says that it was let in.
func (m Instance) Admitted() bool { return m.Decided() && m.Sound() }

// Replayed says that it was turned away for having attested before, once at least. Who
// attests at the same moment as another is turned away by the other's claim.
func (m Instance) Replayed() bool {
	for step := m.decided() + 1; step < steps; step++ {
		if m.at(step) > 0 && m.allowed(step) {
			return m.Admitted()
		}
	}
	return false
}

// decided is the step at which the first decision about it is made from facts; steps
// if there is none.
func (m Instance) decided() int {
	for step := range steps {
		if m.at(step) > 0 && m.allowed(step) && !m.Forged && (!m.Down || step > m.Boots) {
			return step
		}
	}
	return steps
}

// allowed says whether its account is an allowed one at a step.
func (m Instance) allowed(step int) bool { return step < change || m.Account != excluded }
