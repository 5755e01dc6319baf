// Command gatehouse is a SPIRE server NodeAttestor plugin whose decisions are
// made in Rego. SPIRE runs "gatehouse aws_iid"; people run the other commands.
package main

import (
	"os"

	"github.com/spf13/cobra"
)

func main() {
	os.Exit(run(newRoot(), os.Stderr))
}

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:           "gatehouse",
		Short:         "SPIRE node attestation decided by Rego policies",
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	addPlugins(root)
	root.AddCommand(newPolicy())
	root.AddCommand(newDecide())
	root.AddCommand(newConfig())
	root.AddCommand(newClaims())
	root.AddCommand(newReplay())
	return root
}

// newGroup is a command that only has others below it. Cobra by itself would take
// a misspelt one of them for a call for help, and be content.
func newGroup(use, short string) *cobra.Command {
	return &cobra.Command{
		Use:   use,
		Short: short,
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
}
