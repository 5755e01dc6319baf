package decisionlog

import (
	"context"
	"encoding/json"
	"errors"
	"maps"

	"github.com/hashicorp/go-hclog"
	"github.com/open-policy-agent/opa/v1/metrics"
	"github.com/open-policy-agent/opa/v1/plugins"
	"github.com/open-policy-agent/opa/v1/plugins/logs"
	"github.com/open-policy-agent/opa/v1/server"
	"github.com/open-policy-agent/opa/v1/storage/inmem"

	"github.com/spire-gatehouse/gatehouse/internal/opasecret"
)

// Upload is for OPA's own decision log plugin. Both are parts of OPA's
// configuration as JSON; credentials are in the services.
type Upload struct {
	Services     []byte // by name
	DecisionLogs []byte // decision_logs
}

// upload has OPA's plugin buffer and send what is in the other sinks too. Its own
// masking has nothing to do: there is no policy in its store.
type upload struct {
	manager    *plugins.Manager
	plugin     *logs.Plugin
	metrics    metrics.Metrics
	complaints *complaints
	dropped    uint64 // as counted so far
	config     string // digest of the last configuration
}

// startUpload starts OPA's plugin. It calls nobody yet.
func startUpload(config Upload, labels map[string]string, log hclog.Logger, complaints *complaints) (_ *upload, err error) {
	hide, err := config.secrets()
	if err != nil {
		return nil, err
	}
	defer func() { err = hide.Error(err) }()
	raw, err := json.Marshal(map[string]any{
		"services":      json.RawMessage(config.Services),
		"decision_logs": json.RawMessage(config.DecisionLogs),
		"labels":        labels,
	})
	if err != nil {
		return nil, err
	}
	// OPA flushes only while there is time to, and that must end before ours does.
	grace := int(closeTimeout.Seconds()) - 1
	manager, err := plugins.New(raw, labels["id"], inmem.New(), plugins.Logger(newOPALogger(log, hide)), plugins.GracefulShutdownPeriod(grace))
	if err != nil {
		return nil, err
	}
	parsed, err := logs.NewConfigBuilder().WithBytes(config.DecisionLogs).WithServices(manager.Services()).Parse()
	if err == nil && parsed == nil {
		err = errors.New("names no service")
	}
	if err != nil {
		manager.Stop(context.Background())
		return nil, err
	}
	u := &upload{manager: manager, metrics: metrics.New(), complaints: complaints}
	u.plugin = logs.New(parsed, manager).WithMetrics(u.metrics)
	manager.Register(logs.Name, u.plugin)
	if err := manager.Start(context.Background()); err != nil {
		manager.Stop(context.Background())
		return nil, err
	}
	return u, nil
}

// secrets finds what may not be in any log. The URL that is uploaded to may be signed.
func (c Upload) secrets() (opasecret.Redactor, error) {
	var services map[string]json.RawMessage
	if err := json.Unmarshal(c.Services, &services); err != nil {
		return opasecret.Redactor{}, errors.New("services are no JSON object")
	}
	return opasecret.New(services, nil, map[string]json.RawMessage{"upload": c.DecisionLogs}), nil
}

func (u *upload) name() string { return "upload" }

func (u *upload) write(ctx context.Context, l *line, above configuration) error {
	if above.digest != "" && above.digest != u.config {
		if config := above.line(); config != nil {
			if err := u.put(ctx, config.event); err != nil {
				return err
			}
		}
		u.config = above.digest
	}
	return u.put(ctx, l.event)
}

func (u *upload) put(ctx context.Context, event logs.EventV1) error {
	bundles := make(map[string]server.BundleInfo, len(event.Bundles))
	for name, info := range event.Bundles {
		bundles[name] = server.BundleInfo{Revision: info.Revision}
	}
	err := u.plugin.Log(ctx, &server.Info{
		DecisionID: event.DecisionID,
		Bundles:    bundles,
		Path:       event.Path,
		Input:      event.Input,
		Results:    event.Result,
		RemoteAddr: event.RequestedBy,
		Timestamp:  event.Timestamp,
		Metrics:    timers{metrics.NoOp(), event.Metrics},
		Custom:     withMasked(event),
	})
	u.count()
	return err
}

// withMasked puts into custom which masks were applied: OPA's plugin notes only
// its own.
func withMasked(event logs.EventV1) map[string]any {
	custom := maps.Clone(event.Custom)
	if len(event.Erased) > 0 {
		custom["erased"] = event.Erased
	}
	if len(event.Masked) > 0 {
		custom["masked"] = event.Masked
	}
	return custom
}

// count notes what OPA's plugin had no room for. It counts events before they are
// packed together, and packs of them afterwards.
func (u *upload) count() {
	var dropped uint64
	for _, name := range []string{
		"decision_logs_dropped_rate_limit_exceeded",
		"decision_logs_dropped_buffer_size_limit_exceeded",
		"decision_logs_encoding_failure",
	} {
		if n, ok := u.metrics.Counter(name).Value().(uint64); ok {
			dropped += n
		}
	}
	if dropped > u.dropped {
		u.complaints.add(int64(dropped-u.dropped), u.name(), "OPA's decision log plugin had no room, or could not encode them")
		u.dropped = dropped
	}
}

// close lets OPA send what it has.
func (u *upload) close(ctx context.Context) error {
	u.manager.Stop(ctx)
	u.count()
	return nil
}

// timers gives OPA's plugin the timers that were taken already.
type timers struct {
	metrics.Metrics
	taken map[string]any
}

func (t timers) All() map[string]any { return t.taken }
