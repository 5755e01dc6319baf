package main

import (
	"github.com/spf13/cobra"

	"github.com/spire-gatehouse/gatehouse/internal/authoring"
)

func newPolicyLint() *cobra.Command {
	var flags policyFlags
	var regal, format string
	cmd := &cobra.Command{
		Use:   "lint [DIR]",
		Short: "Run Regal, the Rego linter",
		Long: `Run Regal, the Rego linter, over a directory, with the baseline under it, and with a
configuration that knows what Gatehouse defines. A .regal/config.yaml in DIR is used
in its place. Regal is a program of its own: regal must be in PATH, or --regal name it.` +
			exitCodes("nothing found", "Regal found something", "Regal is not installed, or failed"),
		Example: `  gatehouse policy lint
  gatehouse policy lint --format json /etc/gatehouse/policy`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			dir := flags.directory(args)
			files, err := dir.Files()
			if err != nil {
				return err
			}
			lint := authoring.Lint{Regal: regal, Dir: dir.Path, Under: files}
			if format != "" {
				lint.Args = append(lint.Args, "--format", format)
			}
			if !newPage(cmd.OutOrStdout()).colour {
				lint.Args = append(lint.Args, "--no-color")
			}
			found, err := lint.Run(cmd.Context(), cmd.OutOrStdout(), cmd.ErrOrStderr())
			if err == nil && found {
				return errNo
			}
			return err
		},
	}
	flags.addBaseline(cmd)
	cmd.Flags().StringVar(&regal, "regal", "regal", "the linter: a path, or a name in PATH")
	cmd.Flags().StringVar(&format, "format", "", "how Regal answers, such as pretty, compact or json (default: Regal's own)")
	return cmd
}
