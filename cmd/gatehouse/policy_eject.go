package main

import (
	"github.com/spf13/cobra"

	"github.com/spire-gatehouse/gatehouse/attestor"
	"github.com/spire-gatehouse/gatehouse/internal/authoring"
)

func newPolicyEject() *cobra.Command {
	return &cobra.Command{
		Use:   "eject DIR",
		Short: "Write the baseline, its tests, schemas and samples to a folder",
		Long: `Write the baseline with its tests, the schemas, the sample inputs and the allowed
built-ins to a new folder, in which opa test, opa check and Regal work as they are.` +
			exitCodes("done", "", "DIR is not empty, or can't be written"),
		Example: `  gatehouse policy eject baseline && opa test baseline/policy`,
		Args:    cobra.ExactArgs(1),
		RunE:    func(_ *cobra.Command, args []string) error { return authoring.Eject(args[0], attestor.KindNames()) },
	}
}
