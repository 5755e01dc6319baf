package decisionlog

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"runtime/debug"

	"github.com/google/uuid"
	"github.com/hashicorp/go-hclog"
	opaversion "github.com/open-policy-agent/opa/v1/version"
)

// Config says where lines go.
type Config struct {
	File    *File   // nil for none
	Console bool    // to the server's log
	Upload  *Upload // nil for none

	// Lost hears of events that were lost, from several goroutines; nil for nobody.
	Lost func(events int64)
}

// open makes the sinks, and finds out whether they can be written to.
func (l *Log) open(config Config) ([]sink, error) {
	var sinks []sink
	if config.File != nil {
		s, err := openFile(*config.File)
		if err != nil {
			return nil, fmt.Errorf("file: %w", err)
		}
		sinks = append(sinks, s)
	}
	if config.Console {
		sinks = append(sinks, &console{log: l.log})
	}
	if config.Upload != nil {
		s, err := startUpload(*config.Upload, l.labels, l.log, l.complaints)
		if err != nil {
			return nil, fmt.Errorf("upload: %w", err)
		}
		sinks = append(sinks, s)
	}
	return sinks, nil
}

// withOwnLabels adds what doesn't depend on the configuration, under the names
// that OPA has for it.
func withOwnLabels(labels map[string]string) map[string]string {
	all := map[string]string{
		"id":        uuid.NewString(), // of this log
		"version":   opaversion.Version,
		"gatehouse": "unknown",
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		all["gatehouse"] = info.Main.Version
	}
	maps.Copy(all, labels)
	return all
}

// console writes events to the server's log, by way of the plugin's: its standard
// output is go-plugin's, and what else is on its standard error SPIRE takes for
// debugging.
type console struct {
	log    hclog.Logger
	config string // digest of the last configuration
}

func (c *console) name() string { return "console" }

func (c *console) write(_ context.Context, l *line, above configuration) error {
	if above.digest != "" && above.digest != c.config {
		c.config = above.digest
		if config := above.line(); config != nil {
			c.show(config)
		}
	}
	c.show(l)
	return nil
}

func (c *console) show(l *line) {
	text := string(l.json)
	// The text is a string within JSON, so that it grows.
	if quoted, err := json.Marshal(text); err != nil || len(quoted) > maxConsoleText {
		short := l.event
		short.Input, short.Result = nil, nil
		short.Erased = append([]string{"/input", "/result"}, short.Erased...)
		cut, err := json.Marshal(short)
		if err != nil || len(cut) > maxConsoleText/2 {
			cut = fmt.Appendf(nil, `{"decision_id":%q,"erased":["/"]}`, l.event.DecisionID)
		}
		text = string(cut)
	}
	c.log.Info("Decision", "event", text)
}

func (c *console) close(context.Context) error { return nil }
