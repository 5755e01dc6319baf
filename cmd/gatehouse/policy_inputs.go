package main

import (
	"encoding/json"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/spire-gatehouse/gatehouse/attestor"
	"github.com/spire-gatehouse/gatehouse/policies"
)

func newPolicyInputs() *cobra.Command {
	var flags policyFlags
	var out answer
	cmd := &cobra.Command{
		Use:   "inputs [PLUGIN/NAME]",
		Short: "Show sample inputs, as policies see them",
		Long: `List the sample inputs, or print one of them: a document as a policy sees it at the
decision. Every policy must have an answer to each of its plugin's.

With --format json and no name, all of them are printed, by name.` +
			exitCodes("done", "", "there is no sample of that name"),
		Example: `  gatehouse policy inputs
  gatehouse policy inputs aws_iid/first_use`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := out.check(); err != nil {
				return err
			}
			if len(flags.plugins) == 0 {
				flags.plugins = attestor.KindNames()
			}
			samples, err := readSamples(flags.plugins)
			if err != nil {
				return err
			}
			if len(args) == 0 {
				return out.give(cmd, samples, func(p *page) {
					for _, name := range names(samples) {
						p.printf("%s\n", name)
					}
				})
			}
			sample, ok := samples[args[0]]
			if !ok {
				return usageErrorf("there is no sample %q: %s", args[0], strings.Join(names(samples), ", "))
			}
			indented, err := json.MarshalIndent(sample, "", "  ")
			if err != nil {
				return err
			}
			return out.give(cmd, sample, func(p *page) { p.printf("%s\n", indented) })
		},
	}
	flags.addPlugin(cmd, "only this plugin's")
	out.flag(cmd)
	return cmd
}

// readSamples reads the samples of plugins, by PLUGIN/NAME.
func readSamples(plugins []string) (map[string]json.RawMessage, error) {
	all := map[string]json.RawMessage{}
	for _, plugin := range plugins {
		if _, err := kindNamed(plugin); err != nil {
			return nil, err
		}
		samples, err := policies.Samples(plugin)
		if err != nil {
			return nil, err
		}
		files, err := fs.Glob(samples, "*.json")
		if err != nil {
			return nil, err
		}
		for _, file := range files {
			text, err := fs.ReadFile(samples, file)
			if err != nil {
				return nil, err
			}
			all[path.Join(plugin, strings.TrimSuffix(file, ".json"))] = text
		}
	}
	return all, nil
}

func names(samples map[string]json.RawMessage) []string {
	var all []string
	for name := range samples {
		all = append(all, name)
	}
	slices.Sort(all)
	return all
}
