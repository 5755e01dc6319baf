package attestor

import (
	"encoding/json"
	"reflect"
	"strconv"
	"strings"

	"github.com/open-policy-agent/opa/v1/plugins/logs"
	"github.com/open-policy-agent/opa/v1/util"

	"github.com/spire-gatehouse/gatehouse/attestor/decisionlog"
	"github.com/spire-gatehouse/gatehouse/attestor/plugindata"
	"github.com/spire-gatehouse/gatehouse/internal/opasecret"
)

// decisionLogConfig is the block decision_log: where decisions are written to. The
// zero value is nowhere.
type decisionLogConfig struct {
	// File is a file that is rotated; nil for none.
	File *decisionlog.File

	// Console says to write to the server's log too.
	Console bool

	// Upload and Services are parts of OPA's configuration, as JSON: decision_logs,
	// and the services, which hold credentials. Both are set or both not.
	Upload   string
	Services secret
}

const (
	defaultLogFileMB = 100
	defaultLogFiles  = 10

	// OPA keeps what it could not send without limit, and sends after minutes. A
	// service that is down must not fill memory, and a server that dies not take
	// minutes of decisions with it.
	defaultUploadBuffer   = 32 << 20 // bytes
	defaultUploadSize     = 1 << 20  // bytes of one upload, packed
	defaultUploadMinDelay = 5        // seconds
	defaultUploadMaxDelay = 10
)

// decodeDecisionLog reads the block decision_log.
func decodeDecisionLog(o *plugindata.Object) decisionLogConfig {
	block, ok := o.Object("decision_log")
	if !ok {
		return decisionLogConfig{}
	}
	c := decisionLogConfig{File: decodeLogFile(block)}
	c.Console, _ = block.Bool("console")
	c.Upload, c.Services = decodeUpload(block)
	if c.File == nil && !c.Console && !block.Has("file") && !block.Has("upload") {
		block.SelfProblem("says not where to: add file, console = true or upload, or remove the block")
	}
	return c
}

// decodeLogFile reads the block file.
func decodeLogFile(o *plugindata.Object) *decisionlog.File {
	block, ok := o.Object("file")
	if !ok {
		return nil
	}
	f := &decisionlog.File{Path: textOr(block, "path", ""), MaxBytes: defaultLogFileMB << 20, MaxFiles: defaultLogFiles}
	if lacks(block, "path") {
		block.Problem("path", "is missing: name the file to write decisions to")
	}
	if size, ok := count(block, "max_size_mb", 1); ok {
		if size > maxLogFileMB {
			block.Problem("max_size_mb", "must not be more than %d", maxLogFileMB)
		}
		f.MaxBytes = int64(size) << 20
	}
	if files, ok := count(block, "max_files", 0); ok {
		f.MaxFiles = files
	}
	f.MaxDays, _ = count(block, "max_days", 0)
	f.Compress, _ = block.Bool("compress")
	return f
}

// decodeUpload reads the block upload, which is OPA's decision_logs, and the
// services that it may name.
func decodeUpload(o *plugindata.Object) (upload string, services secret) {
	named := decodeBlocks(o, "service", decodeService)
	block, ok := o.Object("upload")
	if !ok {
		if len(named) > 0 {
			o.Problem("service", "is of no use without the block upload")
		}
		return "", secret{}
	}
	config := map[string]any{"reporting": decodeReporting(block)}
	for _, key := range []string{"service", "resource", "partition_name"} {
		if text := textOr(block, key, ""); text != "" {
			config[key] = text
		}
	}
	if service := textOr(block, "service", ""); named[service] == nil {
		block.Problem("service", "must name a service block of the block decision_log")
		return "", secret{}
	}
	text, err := json.Marshal(config)
	if err != nil {
		block.SelfProblem("can't be written as JSON")
		return "", secret{}
	}
	if _, err := logs.NewConfigBuilder().WithBytes(text).WithServices(util.KeysSorted(named)).Parse(); err != nil {
		hide := opasecret.New(nil, nil, map[string]json.RawMessage{"upload": text})
		block.SelfProblem("%s", strings.ReplaceAll(hide.Text(err.Error()), "decision_logs", "upload"))
	}
	hidden, err := json.Marshal(named)
	if err != nil {
		o.Problem("service", "can't be written as JSON")
		return "", secret{}
	}
	return string(text), newSecret(string(hidden))
}

// decodeReporting reads OPA's block reporting, with defaults of our own: bounded,
// and within seconds.
func decodeReporting(o *plugindata.Object) map[string]any {
	reporting := map[string]any{}
	block, ok := o.Object("reporting")
	if ok {
		for _, key := range []string{
			"buffer_size_limit_bytes", "buffer_size_limit_events", "upload_size_limit_bytes", "min_delay_seconds", "max_delay_seconds",
		} {
			if n, ok := count(block, key, 1); ok {
				reporting[key] = n
			}
		}
		for _, key := range []string{"buffer_type", "trigger"} {
			if text := textOr(block, key, ""); text != "" {
				reporting[key] = text
			}
		}
		if text := textOr(block, "max_decisions_per_second", ""); text != "" {
			if rate, err := strconv.ParseFloat(text, 64); err != nil || rate <= 0 {
				block.Problem("max_decisions_per_second", "want a number, more than 0")
			} else {
				reporting["max_decisions_per_second"] = rate
			}
		}
		if reporting["trigger"] == "manual" {
			block.Problem("trigger", `must be "periodic" or "immediate": nobody would pull a manual one`)
			delete(reporting, "trigger")
		}
	}
	byEvents := reporting["buffer_type"] == "event"
	if reporting["max_decisions_per_second"] != nil && !byEvents {
		block.Problem("max_decisions_per_second", `needs buffer_type = "event": OPA bounds no other buffer together with it`)
		delete(reporting, "max_decisions_per_second")
	}
	if reporting["buffer_size_limit_bytes"] == nil && !byEvents {
		reporting["buffer_size_limit_bytes"] = defaultUploadBuffer
	}
	if reporting["upload_size_limit_bytes"] == nil {
		reporting["upload_size_limit_bytes"] = defaultUploadSize
	}
	if reporting["min_delay_seconds"] == nil && reporting["max_delay_seconds"] == nil {
		reporting["min_delay_seconds"], reporting["max_delay_seconds"] = defaultUploadMinDelay, defaultUploadMaxDelay
	}
	return reporting
}

func (c decisionLogConfig) sinks() decisionlog.Config {
	config := decisionlog.Config{File: c.File, Console: c.Console}
	if c.Upload != "" {
		config.Upload = &decisionlog.Upload{Services: []byte(c.Services.reveal()), DecisionLogs: []byte(c.Upload)}
	}
	return config
}

// equal says whether the log can go on as it is.
func (c decisionLogConfig) equal(other decisionLogConfig) bool {
	return reflect.DeepEqual(c, other)
}
