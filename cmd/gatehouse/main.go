// Command gatehouse is a SPIRE server NodeAttestor plugin whose decisions are
// made in Rego. SPIRE runs "gatehouse aws_iid"; people run the other commands.
package main

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"
)

func main() {
	if err := newRoot().Execute(); err != nil {
		fmt.Fprintln(os.Stderr, "gatehouse:", err)
		os.Exit(1)
	}
}

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:           "gatehouse",
		Short:         "SPIRE node attestation decided by Rego policies",
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	addPlugins(root)
	return root
}
