package main

import (
	"strings"

	"github.com/spf13/cobra"

	"github.com/spire-gatehouse/gatehouse/internal/authoring"
)

func newPolicyNew() *cobra.Command {
	group := newGroup("new", "Write a rule and its test to fill in")
	group.AddCommand(newPolicyNewCheck(), newPolicyNewSelector())
	return group
}

func newPolicyNewCheck() *cobra.Command {
	var flags newRuleFlags
	var admission bool
	cmd := &cobra.Command{
		Use:   "check NAME [DIR]",
		Short: "Write a check and its test to fill in",
		Long: `Write a check, a rule that refuses machines, and its test below DIR. They pass as
they are, and say what to do.` + newRuleExitCodes,
		Example: `  gatehouse policy new check image --plugin aws_iid
  gatehouse policy new check launch_age --plugin aws_iid --admission`,
		Args: cobra.RangeArgs(1, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			return flags.write(cmd, args, authoring.Scaffold{Admission: admission}, authoring.Scaffold.Check)
		},
	}
	flags.add(cmd)
	cmd.Flags().BoolVar(&admission, "admission", false, "decide from signed evidence alone, before the cloud is asked")
	return cmd
}

func newPolicyNewSelector() *cobra.Command {
	var flags newRuleFlags
	cmd := &cobra.Command{
		Use:   "selector NAME [DIR]",
		Short: "Write a selector and its test to fill in",
		Long: `Write a rule that adds a selector, and its test, below DIR. They pass as they are,
and say what to do.` + newRuleExitCodes,
		Example: `  gatehouse policy new selector location --plugin azure_msi`,
		Args:    cobra.RangeArgs(1, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			return flags.write(cmd, args, authoring.Scaffold{}, authoring.Scaffold.Selector)
		},
	}
	flags.add(cmd)
	return cmd
}

var newRuleExitCodes = exitCodes("done", "", "a file of that name is there already, or can't be written")

type newRuleFlags struct {
	answer
	plugin string
}

func (f *newRuleFlags) add(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.plugin, "plugin", "", "plugin whose machines it is about (default: the one that DIR has rules for)")
	f.flag(cmd)
}

func (f *newRuleFlags) write(cmd *cobra.Command, args []string, rule authoring.Scaffold, write func(authoring.Scaffold, string) ([]string, error)) error {
	if err := f.check(); err != nil {
		return err
	}
	with := policyFlags{baseline: true}
	if f.plugin != "" {
		with.plugins = []string{f.plugin}
	}
	dir := with.directory(args[1:])
	plugins, err := with.chosen(dir)
	if err != nil {
		return err
	}
	if len(plugins) != 1 {
		return usageErrorf("say for which plugin, with --plugin %s", strings.Join(plugins, " or --plugin "))
	}
	rule.Plugin, rule.Name = plugins[0], args[0]
	files, err := write(rule, dir.Path)
	if err != nil {
		return err
	}
	return f.give(cmd, map[string][]string{"files": files}, func(p *page) {
		for _, file := range files {
			p.printf("%s\n", shown(file))
		}
	})
}
