package attestor

import (
	"reflect"
	"sync"

	"github.com/hashicorp/go-hclog"

	"github.com/spire-gatehouse/gatehouse/attestor/decisionlog"
	"github.com/spire-gatehouse/gatehouse/attestor/telemetry"
)

// decisions is the decision log as it is configured now. The zero value is none.
type decisions struct {
	mu     sync.RWMutex // held while the log is replaced, not while it writes
	config decisionLogConfig
	labels map[string]string
	log    *decisionlog.Log
}

// put hands over an event. It never waits for the log.
func (d *decisions) put(e *decisionlog.Event) {
	d.mu.RLock()
	defer d.mu.RUnlock()
	d.log.Put(e)
}

// configure replaces the log if it is to be another one. The old one goes on
// writing what it has, and the new one waits for it.
func (d *decisions) configure(config decisionLogConfig, labels map[string]string, log hclog.Logger, m meter) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if config.equal(d.config) && reflect.DeepEqual(labels, d.labels) {
		return nil
	}
	old := d.log
	sinks := config.sinks()
	sinks.Lost = func(events int64) { m.Count(telemetry.DecisionLogLost, int(events)) }
	next, err := decisionlog.Start(sinks, labels, log, old)
	if err != nil {
		return err
	}
	d.config, d.labels, d.log = config, labels, next
	old.Close()
	return nil
}

// close writes what there still is to write.
func (d *decisions) close() {
	d.mu.RLock()
	defer d.mu.RUnlock()
	<-d.log.Close()
}
