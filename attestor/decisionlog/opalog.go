package decisionlog

import (
	"fmt"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/open-policy-agent/opa/v1/logging"

	"github.com/spire-gatehouse/gatehouse/internal/opasecret"
)

// opaLogger passes on what OPA's plugin complains of, the same only from time to
// time: it tries again and again to reach a service that is down.
type opaLogger struct {
	log  hclog.Logger
	now  func() time.Time
	hide opasecret.Redactor

	mu   *sync.Mutex
	said map[string]time.Time // by format, of which there are few
}

var _ logging.Logger = opaLogger{}

func newOPALogger(log hclog.Logger, hide opasecret.Redactor) opaLogger {
	return opaLogger{log: log, now: time.Now, hide: hide, mu: new(sync.Mutex), said: map[string]time.Time{}}
}

// Debug implements logging.Logger.
func (opaLogger) Debug(string, ...any) {}

// Info implements logging.Logger. That logs were uploaded is no news.
func (opaLogger) Info(string, ...any) {}

// Warn implements logging.Logger.
func (l opaLogger) Warn(format string, args ...any) { l.Error(format, args...) }

// Error implements logging.Logger.
func (l opaLogger) Error(format string, args ...any) {
	l.mu.Lock()
	last, again := l.said[format]
	now := l.now()
	quiet := again && now.Sub(last) < complainEvery
	if !quiet {
		l.said[format] = now
	}
	l.mu.Unlock()
	if !quiet {
		// What a service answers may be in it, and the URL that it was asked at.
		l.log.Error("Decision log upload", "problem", fmt.Sprintf("%.*s", maxProblem, l.hide.Text(fmt.Sprintf(format, args...))))
	}
}

// WithFields implements logging.Logger.
func (l opaLogger) WithFields(map[string]any) logging.Logger { return l }

// GetLevel implements logging.Logger.
func (opaLogger) GetLevel() logging.Level { return logging.Warn }

// SetLevel implements logging.Logger.
func (opaLogger) SetLevel(logging.Level) {}
