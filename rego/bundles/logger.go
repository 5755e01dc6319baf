package bundles

import (
	"fmt"
	"sync/atomic"

	"github.com/open-policy-agent/opa/v1/logging"

	"github.com/spire-gatehouse/gatehouse/internal/opasecret"
)

// logger passes on what OPA warns of and Options.Had doesn't hear.
type logger struct {
	hide     opasecret.Redactor
	notice   func(string)
	starting *atomic.Bool
	bundle   string
}

func newLogger(hide opasecret.Redactor, notice func(string)) *logger {
	return &logger{hide: hide, notice: notice, starting: new(atomic.Bool)}
}

var _ logging.Logger = (*logger)(nil)

func (*logger) Debug(string, ...any) {}
func (*logger) Info(string, ...any)  {}

// Warn implements logging.Logger.
func (l *logger) Warn(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	if l.bundle != "" {
		text = fmt.Sprintf("bundle %q: %s", l.bundle, text)
	}
	l.notice(l.hide.Text(text))
}

// Error implements logging.Logger.
func (l *logger) Error(format string, args ...any) {
	switch format {
	case "Bundle load failed: %v", "Bundle download failed: %v.", "OCI - Bundle download failed: %v.":
		return
	case "Bundle activation failed: %v":
		if !l.starting.Load() {
			return
		}
	}
	l.Warn(format, args...)
}

// WithFields implements logging.Logger.
func (l *logger) WithFields(fields map[string]any) logging.Logger {
	with := *l
	if name, ok := fields["name"].(string); ok {
		with.bundle = name
	}
	return &with
}

// GetLevel keeps OPA from writing requests, with their headers, to the log.
func (*logger) GetLevel() logging.Level { return logging.Warn }

// SetLevel does nothing.
func (*logger) SetLevel(logging.Level) {}
