package telemetry

import "time"

const (
	// interval is how often figures are handed over. Prometheus looks every 15
	// seconds or so.
	interval = 5 * time.Second

	// maxSamples is how many single values wait to be handed over. Each is a call
	// to SPIRE, which a storm of nodes must not multiply.
	maxSamples = 2000

	// handOverTime bounds one round, and closeTime what is done after Close.
	handOverTime = 4 * time.Second
	closeTime    = time.Second
)
