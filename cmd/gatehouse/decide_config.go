package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spire-gatehouse/gatehouse/attestor"
	"github.com/spire-gatehouse/gatehouse/attestor/configcheck"
	"github.com/spire-gatehouse/gatehouse/attestor/serverconf"
)

// configuration loads what decides.
func (d *decide) configuration(ctx context.Context, r *recorded) (*attestor.Configuration, error) {
	now, err := d.clock(r)
	if err != nil {
		return nil, err
	}
	name, trustDomain := d.plugin, d.trustDomain
	if r != nil {
		if name != "" && name != r.input.Plugin {
			return nil, usageErrorf("--plugin %s: the input is of %s", name, r.input.Plugin)
		}
		name = r.input.Plugin
		if trustDomain == "" {
			trustDomain = r.input.TrustDomain
		}
	}
	kind, err := kindNamed(name)
	if err != nil {
		return nil, err
	}
	pluginData := ""
	if d.config != "" {
		conf, err := d.readConfig(name)
		if err != nil {
			return nil, err
		}
		pluginData = conf.pluginData
		if trustDomain == "" {
			trustDomain = conf.trustDomain
		}
	} else if r != nil && r.config != nil {
		kind = kind.WithPolicyConfig(r.config)
	}
	if trustDomain == "" {
		trustDomain = "example.org"
	}
	if d.policy != "" {
		kind = kind.WithPolicy(d.policy)
	}
	config, err := attestor.Load(ctx, kind, trustDomain, pluginData, now)
	if invalid, ok := errors.AsType[*attestor.ConfigError](err); ok {
		return nil, d.explainInvalid(invalid)
	}
	return config, err
}

// explainInvalid puts each problem in a line of its own.
func (d *decide) explainInvalid(invalid *attestor.ConfigError) error {
	text := "the configuration or its policy is not valid"
	if d.config == "" {
		text += " (no --config is given)"
	}
	for _, problem := range invalid.Problems {
		text += "\n  " + problem.String()
	}
	return errors.New(text)
}

// givenConfig is what --config says.
type givenConfig struct{ pluginData, trustDomain string }

// readConfig reads a server.conf, or a plugin_data, which HCL 1 need not be able to
// read: SPIRE hands over a file as it is.
func (d *decide) readConfig(plugin string) (givenConfig, error) {
	text, err := readFile(d.config)
	if err != nil {
		return givenConfig{}, err
	}
	conf, err := serverconf.Parse(string(text))
	if err != nil || !conf.HasPlugins {
		if err != nil && strings.Contains(string(text), serverconf.NodeAttestor) {
			return givenConfig{}, fmt.Errorf("%s: %w", d.config, err)
		}
		return givenConfig{pluginData: string(text)}, nil
	}
	found := configcheck.Find(conf, plugin)
	if len(found) == 0 {
		return givenConfig{}, fmt.Errorf("%s: has no NodeAttestor %q", d.config, plugin)
	}
	data := found[0].Data
	if file := found[0].DataFile; file != "" {
		text, err := readFile(file)
		if err != nil {
			return givenConfig{}, err
		}
		data = string(text)
	}
	return givenConfig{data, conf.TrustDomain}, nil
}
