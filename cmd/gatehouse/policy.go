package main

import (
	"github.com/spf13/cobra"

	"github.com/spire-gatehouse/gatehouse/attestor"
)

func newPolicy() *cobra.Command {
	policy := newGroup("policy", "Write, test and ship policies")
	policy.Long = `Write, test and ship policies.

DIR is a directory of policies, as the block policy of plugin_data names one; it
is the current directory where none is given. The baseline, the schemas and the
allowed built-ins are in place, as they are in the plugin.`
	policy.AddCommand(newPolicyTest(), newPolicyCheck(), newPolicyFmt(), newPolicyLint(),
		newPolicyEject(), newPolicyNew(), newPolicyBundle(), newPolicyInputs())
	return policy
}

// policyFlags are what commands that look at a directory have in common.
type policyFlags struct {
	baseline bool
	plugins  []string
}

func (f *policyFlags) addBaseline(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&f.baseline, "baseline", true, "put DIR over the baseline; false has it replace the baseline")
}

func (f *policyFlags) addPlugin(cmd *cobra.Command, meaning string) {
	cmd.Flags().StringSliceVar(&f.plugins, "plugin", nil, meaning)
}

// directory is the one that the arguments name.
func (f *policyFlags) directory(args []string) attestor.PolicyDirectory {
	dir := attestor.PolicyDirectory{Path: ".", WithoutBaseline: !f.baseline}
	if len(args) > 0 {
		dir.Path = args[0]
	}
	return dir
}

// chosen is --plugin, or else the plugins that the directory has policies for.
func (f *policyFlags) chosen(dir attestor.PolicyDirectory) ([]string, error) {
	if len(f.plugins) == 0 {
		return dir.Plugins()
	}
	for _, name := range f.plugins {
		if _, err := kindNamed(name); err != nil {
			return nil, err
		}
	}
	return f.plugins, nil
}
