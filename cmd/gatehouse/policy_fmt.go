package main

import (
	"strings"

	"github.com/rogpeppe/go-internal/diff"
	"github.com/spf13/cobra"

	"github.com/spire-gatehouse/gatehouse/internal/authoring"
)

func newPolicyFmt() *cobra.Command {
	var out answer
	var list, differences bool
	cmd := &cobra.Command{
		Use:   "fmt [DIR|FILE]...",
		Short: "Format policies",
		Long: `Format policies as opa fmt does: in place, unlike there, and it says which files
changed. With --list or --diff it changes nothing.` +
			exitCodes("done; or with --list or --diff, nothing to do", "with --list or --diff: a file is not formatted", "a file can't be read, parsed or written"),
		Example: `  gatehouse policy fmt
  gatehouse policy fmt --diff gatehouse/aws_iid/launch_age.rego`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := out.check(); err != nil {
				return err
			}
			if len(args) == 0 {
				args = []string{"."}
			}
			changed, err := authoring.Format(args...)
			if err != nil {
				return err
			}
			keep := list || differences
			names := []string{}
			for _, file := range changed {
				if !keep {
					if err := file.Write(); err != nil {
						return err
					}
				}
				names = append(names, file.Path)
			}
			err = out.give(cmd, map[string][]string{"changed": names}, func(p *page) {
				for _, file := range changed {
					if differences {
						printDiff(p, file)
					} else {
						p.printf("%s\n", shown(file.Path))
					}
				}
			})
			if err == nil && keep && len(changed) > 0 {
				return errNo
			}
			return err
		},
	}
	cmd.Flags().BoolVarP(&list, "list", "l", false, "only list the files that are not formatted")
	cmd.Flags().BoolVarP(&differences, "diff", "d", false, "only show what would change")
	cmd.MarkFlagsMutuallyExclusive("list", "diff")
	out.flag(cmd)
	return cmd
}

func printDiff(p *page, file authoring.Formatted) {
	for line := range strings.Lines(string(diff.Diff(file.Path, file.Old, file.Path+" formatted", file.New))) {
		line = shown(strings.ReplaceAll(strings.TrimRight(line, "\n"), "\t", "    "))
		switch {
		case strings.HasPrefix(line, "-"):
			line = p.bad(line)
		case strings.HasPrefix(line, "+"):
			line = p.good(line)
		}
		p.printf("%s\n", line)
	}
}
