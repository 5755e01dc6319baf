// Package testlog records a decision log as a fleet would leave one behind: really
// signed evidence, verified by the collectors, decided by the baseline, written by
// the decision log itself. The same seed gives the same decisions, but for digests
// of certificates and tokens, since the authorities' keys are made anew.
//
// Start at Write.
package testlog

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/spire-gatehouse/gatehouse/attestor/decisionlog"
	"github.com/spire-gatehouse/gatehouse/policies"
	"github.com/spire-gatehouse/gatehouse/rego"
)

// TrustDomain is that of the server that recorded.
const TrustDomain = "example.org"

// Begin is when the first decision was made; one was made every second.
var Begin = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

// perMachine is how often a machine attests: most are turned away as replays.
const perMachine = 10

// Options say what to record.
type Options struct {
	Decisions int
	Seed      uint64

	// MaxBytes of a file, before another one is begun; 0 for 100 MiB.
	MaxBytes int64
	Compress bool // the full ones
}

// Write records one log for each plugin in a directory: of ten decisions nine are
// about AWS instances.
func Write(ctx context.Context, dir string, o Options) error {
	random := rand.New(rand.NewPCG(o.Seed, o.Seed))
	azure := o.Decisions / 10
	aws, err := newAWSFleet(ctx, random, (o.Decisions-azure)/perMachine+1)
	if err != nil {
		return err
	}
	if err := record(ctx, dir, "aws_iid", o, o.Decisions-azure, random, aws); err != nil {
		return err
	}
	machines, err := newAzureFleet(ctx, random, azure/perMachine+1)
	if err != nil {
		return err
	}
	return record(ctx, dir, "azure_msi", o, azure, random, machines)
}

// fleet is machines of one cloud.
type fleet interface {
	// configs are what the server was configured with, besides the least: one in the first half of the
	// log, the other in the second.
	configs() [2]map[string]any

	// attempt is one machine's next attestation.
	attempt(random *rand.Rand, now time.Time) attempt
}

// configWith is the least configuration of a plugin, with some of it changed.
func configWith(plugin string, changed map[string]any) (map[string]any, error) {
	text, err := policies.SampleConfig(plugin)
	if err != nil {
		return nil, err
	}
	var config map[string]any
	if err := json.Unmarshal(text, &config); err != nil {
		return nil, err
	}
	maps.Copy(config, changed)
	return config, nil
}

// attempt is an attestation as it comes to policy.
type attempt struct {
	input    rego.Input // with all facts
	node     string
	rejected string // why the evidence is refused; empty if it is not
	fails    bool   // the cloud does not answer
}

func record(ctx context.Context, dir, plugin string, o Options, decisions int, random *rand.Rand, machines fleet) error {
	config := decisionlog.Config{File: &decisionlog.File{
		Path: filepath.Join(dir, plugin+".jsonl"), MaxBytes: cmp.Or(o.MaxBytes, 100<<20), Compress: o.Compress,
	}}
	r := recorder{plugin: plugin, labels: map[string]string{"plugin": plugin, "trust_domain": TrustDomain, "id": "server-1", "gatehouse": "v1.0.0"}}
	made := 0
	for half, changed := range machines.configs() {
		policyConfig, err := configWith(plugin, changed)
		if err != nil {
			return err
		}
		engine, err := rego.New(ctx, rego.Options{Plugin: plugin, Policy: policies.Baseline(), Config: policyConfig})
		if err != nil {
			return err
		}
		if r.config, err = decisionlog.NewPolicyConfig(policyConfig); err != nil {
			return err
		}
		r.engine = engine
		for end := decisions * (half + 1) / 2; made < end; {
			const room = 500 // a log takes so many at once without losing any
			log, err := decisionlog.Start(config, r.labels, hclog.NewNullLogger(), nil)
			if err != nil {
				return err
			}
			for range min(room, end-made) {
				now := Begin.Add(time.Duration(made) * time.Second)
				made++
				event, err := r.attest(ctx, machines.attempt(random, now), fmt.Sprintf("%s-%06d", plugin, made), now, random)
				if err != nil {
					return err
				}
				log.Put(event)
			}
			<-log.Close()
			if lost := log.Lost(); lost > 0 {
				return fmt.Errorf("testlog: %d decisions were lost", lost)
			}
		}
	}
	return nil
}
