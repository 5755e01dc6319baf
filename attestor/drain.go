package attestor

import (
	"context"
	"time"
)

// drainTime is how long Close waits for attestations that run. SPIRE gives a
// plugin 10 seconds before it cuts the connection, and with that every call, and
// 2 more before it kills the process. The decision log has 5 of them, afterwards.
const drainTime = 4 * time.Second

// enter takes an attestation in: it gets the configuration that it is decided
// with, nil if there is none, and ends with leave, which is never nil. While it is
// in, what the configuration holds is not released, and Close waits.
func (p *Plugin) enter(ctx context.Context) (_ *snapshot, leave func(), _ error) {
	if !p.open.enter() {
		return nil, func() {}, refuse(unavailable, "the plugin is shutting down")
	}
	s := p.current.Load()
	for s != nil && !s.lease.enter() {
		next := p.current.Load()
		if next == s { // closed, and not configured anew
			return nil, p.open.leave, refuse(unavailable, "the plugin is shutting down")
		}
		s = next
	}
	if s == nil {
		return nil, p.open.leave, nil
	}
	if err := s.gate.enter(ctx); err != nil {
		return s, func() { p.leave(s) }, refuse(unavailable, "too much at a time: %w", err)
	}
	return s, func() {
		s.gate.leave()
		p.leave(s)
	}, nil
}

func (p *Plugin) leave(s *snapshot) {
	s.lease.leave()
	p.open.leave()
}

// drain lets nobody in any more, and waits for those that are in.
func (p *Plugin) drain() {
	p.open.end()
	ctx, cancel := context.WithTimeout(context.Background(), drainTime)
	defer cancel()
	if left := p.open.wait(ctx); left > 0 {
		p.log.Warn("Attestations were still running when the plugin had to end", "attestations", left)
	}
}
