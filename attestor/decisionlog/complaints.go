package decisionlog

import (
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"
)

// complainEvery is how often the server's log hears of losses at most.
const complainEvery = time.Minute

// lostEvents is a message that operators look for.
const lostEvents = "Decision log lost events"

// complaints tell the server's log what the decision log lost: the first loss at
// once, the ones after it together. They don't wait for who writes, who may hang.
type complaints struct {
	log  hclog.Logger
	wake chan struct{}
	lost func(events int64) // hears of each loss; nil for nobody

	mu     sync.Mutex
	total  int64
	recent int64             // lost since the last line
	causes map[string]string // since then, by sink
}

func newComplaints(log hclog.Logger, lost func(events int64)) *complaints {
	return &complaints{log: log, lost: lost, wake: make(chan struct{}, 1), causes: map[string]string{}}
}

// add notes the loss of n events.
func (c *complaints) add(n int64, sink, cause string) {
	c.mu.Lock()
	c.total += n
	c.recent += n
	c.causes[sink] = cause
	c.mu.Unlock()
	if c.lost != nil && n > 0 {
		c.lost(n)
	}
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// run writes lines until done is closed, and what is left then.
func (c *complaints) run(done <-chan struct{}) {
	for {
		select {
		case <-done:
			c.write()
			return
		case <-c.wake:
			c.write()
		}
		select {
		case <-done:
		case <-time.After(complainEvery):
		}
	}
}

func (c *complaints) write() {
	c.mu.Lock()
	lost, causes := c.recent, c.causes
	c.recent, c.causes = 0, map[string]string{}
	c.mu.Unlock()
	if lost == 0 {
		return
	}
	fields := []any{"events", lost}
	for _, sink := range slices.Sorted(maps.Keys(causes)) {
		fields = append(fields, sink, causes[sink])
	}
	c.log.Error(lostEvents, fields...)
}

// sum is how many events were lost so far.
func (c *complaints) sum() int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.total
}
