package bundles

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"

	"github.com/open-policy-agent/opa/v1/keys"
	"github.com/open-policy-agent/opa/v1/plugins"
	"github.com/open-policy-agent/opa/v1/plugins/bundle"
	"github.com/open-policy-agent/opa/v1/storage/inmem"
	"github.com/open-policy-agent/opa/v1/util"

	"github.com/spire-gatehouse/gatehouse/internal/opasecret"
	"github.com/spire-gatehouse/gatehouse/internal/recovered"
)

// Config is the part of OPA's configuration that says where bundles come from. It
// may hold credentials: it must not be logged.
type Config struct {
	Services             map[string]json.RawMessage `json:"services"`
	Keys                 map[string]json.RawMessage `json:"keys"`
	Bundles              map[string]json.RawMessage `json:"bundles"`
	PersistenceDirectory string                     `json:"persistence_directory,omitempty"`
}

// A Set is one version of all bundles together.
type Set struct {
	// Files holds the modules and data of all bundles, at their paths.
	Files fs.FS

	// Revisions has the revision of each bundle by its name: what its manifest says,
	// empty if that says nothing.
	Revisions map[string]string
}

// Options say what a Source is made of.
type Options struct {
	Config Config

	// Accept is asked about each new set, by one goroutine at a time. An error
	// refuses the bundle that is new in it. Until there has been one of each bundle,
	// nothing is asked. Accept must not call Stop.
	Accept func(context.Context, Set) error

	// Had hears after each try to get a bundle how that went: nil, also if there is
	// nothing new, or why it was not to be had or not accepted.
	Had func(bundle string, err error)

	// Notice hears of what else is wrong, a copy on disk that can't be used say.
	Notice func(text string)
}

// A Source gets bundles from when it is started until it is stopped.
type Source struct {
	manager     *plugins.Manager
	store       *store
	log         *logger
	persistence string // a directory; empty for none
}

// New checks a configuration with OPA's own parsers, and calls nobody. Its error
// joins all problems, each of which begins with the block's name.
func New(opts Options) (_ *Source, err error) {
	hide := opasecret.New(opts.Config.Services, opts.Config.Keys, opts.Config.Bundles)
	defer func() { err = hide.Error(err) }()
	defer recovered.To(&err)

	parsedKeys, problems := parseKeys(opts.Config.Keys)
	auth := map[string]*boundedAuth{}
	services := map[string]any{}
	for _, name := range util.KeysSorted(opts.Config.Services) {
		service, plugin, err := newService(name, opts.Config.Services[name], parsedKeys)
		if err != nil {
			problems = append(problems, fmt.Errorf("service %q: %w", name, err))
			continue
		}
		services[name], auth[authName(name)] = service, plugin
	}
	if len(problems) > 0 {
		return nil, errors.Join(problems...)
	}
	raw, err := json.Marshal(map[string]any{
		"services":              services,
		"keys":                  opts.Config.Keys,
		"persistence_directory": opts.Config.PersistenceDirectory,
	})
	if err != nil {
		return nil, err
	}
	s := &Source{log: newLogger(hide, opts.Notice), persistence: opts.Config.PersistenceDirectory}
	s.store = &store{Store: inmem.New(), accept: opts.Accept, wanted: len(opts.Config.Bundles), active: map[string]*files{}}
	s.manager, err = plugins.New(raw, "gatehouse", s.store, plugins.Logger(s.log))
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			s.manager.Stop(context.Background())
		}
	}()
	for name, plugin := range auth {
		s.manager.Register(name, plugin)
	}
	config, err := parseBundles(opts.Config.Bundles, util.KeysSorted(services), parsedKeys)
	if err != nil {
		return nil, err
	}
	plugin := bundle.New(config, s.manager)
	plugin.Register("gatehouse", func(status bundle.Status) { opts.Had(status.Name, hide.Error(outcome(status))) })
	s.manager.Register(bundle.Name, plugin)
	return s, nil
}

func parseKeys(raw map[string]json.RawMessage) (map[string]*keys.Config, []error) {
	all := map[string]*keys.Config{}
	var problems []error
	for _, name := range util.KeysSorted(raw) {
		text, err := json.Marshal(map[string]json.RawMessage{name: raw[name]})
		if err == nil {
			var one map[string]*keys.Config
			if one, err = keys.ParseKeysConfig(text); err == nil {
				all[name] = one[name]
				continue
			}
		}
		problems = append(problems, fmt.Errorf("key %q: %w", name, err))
	}
	return all, problems
}

// parseBundles has OPA parse each bundle alone first, since its errors of several
// name one only.
func parseBundles(raw map[string]json.RawMessage, services []string, keys map[string]*keys.Config) (*bundle.Config, error) {
	parse := func(raw map[string]json.RawMessage) (*bundle.Config, error) {
		text, err := json.Marshal(raw)
		if err != nil {
			return nil, err
		}
		mode := plugins.TriggerPeriodic
		return bundle.NewConfigBuilder().WithBytes(text).WithServices(services).WithKeyConfigs(keys).WithTriggerMode(&mode).Parse()
	}
	var problems []error
	for _, name := range util.KeysSorted(raw) {
		if _, err := parse(map[string]json.RawMessage{name: raw[name]}); err != nil {
			problems = append(problems, fmt.Errorf("bundle %q: %w", name, err))
		}
	}
	if len(problems) > 0 {
		return nil, errors.Join(problems...)
	}
	return parse(raw)
}

// Start offers the copies on disk, and then goes on to get bundles. It returns when
// the copies on disk have been offered. If it fails there is nothing to stop.
func (s *Source) Start(ctx context.Context) (err error) {
	defer func() { err = s.log.hide.Error(err) }()
	defer recovered.To(&err)
	if err := writable(s.persistence); err != nil {
		return fmt.Errorf("persistence_directory: %w", err)
	}
	registerActivator()
	s.log.starting.Store(true)
	defer s.log.starting.Store(false)
	return s.manager.Start(ctx)
}

// writable makes a directory, if one is named, and tries to write to it: OPA would
// panic where it can't write an OCI store, and fetch again and again what it can't
// persist.
func writable(dir string) error {
	if dir == "" {
		return nil
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	file, err := os.CreateTemp(dir, ".writable-*")
	if err != nil {
		return err
	}
	return errors.Join(file.Close(), os.Remove(file.Name()))
}

// Stop ends it, and waits until Accept returns if that is being asked.
func (s *Source) Stop() { s.manager.Stop(context.Background()) }

// outcome is the error of a status, which has it in parts.
func outcome(status bundle.Status) error {
	switch {
	case status.Code == "":
		return nil
	case len(status.Errors) > 0:
		return errors.Join(slices.Clone(status.Errors)...)
	default:
		return errors.New(status.Message)
	}
}
