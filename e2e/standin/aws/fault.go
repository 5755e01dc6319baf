package aws

import (
	"context"
	"sync"
	"time"

	"github.com/spire-gatehouse/gatehouse/internal/sleep"
)

// A Fault makes calls go wrong. Empty fields of its scope match everything.
type Fault struct {
	Action  string // such as "ec2:DescribeInstances"
	Account string
	Region  string

	// Latency is added before the answer.
	Latency time.Duration

	// Hold, unless nil, keeps the answer back until it is closed.
	Hold <-chan struct{}

	// Error is answered in place of the result.
	Error *Error

	// Times is how many calls are hit; 0 means all until Clear.
	Times int
}

// Faults are what goes wrong at a Server. It is safe for concurrent use.
type Faults struct {
	mu   sync.Mutex
	list []*Fault
}

// Add makes a fault happen from now on. The first added that matches a call
// hits it.
func (f *Faults) Add(fault Fault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.list = append(f.list, &fault)
}

// Clear ends all faults.
func (f *Faults) Clear() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.list = nil
}

// next takes the fault that hits this call, if any.
func (f *Faults) next(call Call) (Fault, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i, fault := range f.list {
		if !fault.matches(call) {
			continue
		}
		hit := *fault
		if fault.Times > 0 {
			if fault.Times--; fault.Times == 0 {
				f.list = append(f.list[:i:i], f.list[i+1:]...)
			}
		}
		return hit, true
	}
	return Fault{}, false
}

func (f *Fault) matches(call Call) bool {
	return (f.Action == "" || f.Action == call.Action) &&
		(f.Account == "" || f.Account == call.Account) &&
		(f.Region == "" || f.Region == call.Region)
}

// hit lets the fault happen: nil means that the call goes on.
func (f *Fault) hit(ctx context.Context) *Error {
	if f.Latency > 0 {
		_ = sleep.For(ctx, f.Latency)
	}
	if f.Hold != nil {
		select {
		case <-f.Hold:
		case <-ctx.Done():
		}
	}
	return f.Error
}
