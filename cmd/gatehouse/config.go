package main

import (
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/spire-gatehouse/gatehouse/attestor/configcheck"
	"github.com/spire-gatehouse/gatehouse/attestor/serverconf"
)

func newConfig() *cobra.Command {
	config := newGroup("config", "Look at a SPIRE server's configuration")
	config.AddCommand(newConfigCheck())
	return config
}

func newConfigCheck() *cobra.Command {
	var opts configcheck.Options
	var reply answer
	var expandEnv bool
	cmd := &cobra.Command{
		Use:   "check FILE",
		Short: "Check the Gatehouse plugins of a server.conf, and say what would be in force",
		Long: `Checks the Gatehouse plugins of a SPIRE server's configuration, in HCL or JSON,
without starting SPIRE: their plugin_data, the policies that it names, the shadow
policy too, with their own tests, the program and its checksum. Configuration and policy are loaded just as
the plugin does when SPIRE configures it; no cloud is asked. For the rest of the
file there is spire-server validate.

Gatehouse's plugins are the node attestors whose plugin_cmd is a program called
gatehouse. FILE may also hold just a plugin_data; then --plugin says whose.` +
			exitCodes("the configuration is valid", "it is not", "FILE can't be read"),
		Example: `  gatehouse config check /opt/spire/conf/server/server.conf
  gatehouse config check --no-binary --format json server.conf
  gatehouse config check --plugin aws_iid plugin_data.hcl`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := reply.check(); err != nil {
				return err
			}
			text, err := readFile(args[0])
			if err != nil {
				return err
			}
			conf := string(text)
			if expandEnv {
				conf = serverconf.ExpandEnv(conf, os.Getenv)
			}
			report := configcheck.Check(cmd.Context(), args[0], conf, opts)
			if err := reply.give(cmd, report, func(p *page) { writeReport(p, report) }); err != nil {
				return err
			}
			if !report.Valid {
				return errNo
			}
			return nil
		},
	}
	reply.flag(cmd)
	cmd.Flags().StringVar(&opts.Plugin, "plugin", "", "the node attestor to look at, whatever its program is called")
	cmd.Flags().StringVar(&opts.TrustDomain, "trust-domain", "", "the server's trust domain, as spire-server's -trustDomain")
	cmd.Flags().BoolVar(&opts.NoBinary, "no-binary", false, "don't look at the program: it is on another machine")
	cmd.Flags().BoolVar(&expandEnv, "expand-env", false, "expand environment variables in FILE, as spire-server's -expandEnv")
	return cmd
}

func writeReport(p *page, r configcheck.Report) {
	writeProblems(p, r.Problems)
	for i, plugin := range r.Plugins {
		if i > 0 || len(r.Problems) > 0 {
			p.printf("\n")
		}
		at := r.File
		if plugin.Line > 0 {
			at = fmt.Sprintf("%s:%d", r.File, plugin.Line)
		}
		switch {
		case plugin.Disabled:
			p.printf("%s: %s is %s\n", shown(at), plugin.Name, p.warn("disabled"))
		case plugin.Valid:
			p.printf("%s: %s is %s\n", shown(at), plugin.Name, p.good("valid"))
		default:
			p.printf("%s: %s is %s\n", shown(at), plugin.Name, p.bad("not valid"))
		}
		writeProblems(p, plugin.Problems)
		for _, warning := range plugin.Warnings {
			p.printf("  %s %s\n", p.warn("warning:"), shown(warning))
		}
		writeBinary(p, plugin.Binary)
		if plugin.InForce != nil {
			writeInForce(p, plugin.InForce)
		}
	}
}

func writeProblems(p *page, problems []configcheck.Problem) {
	for _, problem := range problems {
		at := shown(problem.File)
		if problem.Line > 0 {
			at = fmt.Sprintf("%s:%d", at, problem.Line)
		}
		if problem.Key != "" {
			at += ": " + shown(problem.Key)
		}
		p.printf("  %s: %s %s\n", at, p.bad("error:"), shown(strings.ReplaceAll(problem.Msg, "\n", " ")))
	}
}

func writeBinary(p *page, b *configcheck.Binary) {
	switch {
	case b == nil:
	case b.Skipped:
		p.printf("  program    %s, not looked at\n", shown(b.Path))
	case b.Checksum == "":
		p.printf("  program    %s\n", shown(b.Path))
	case strings.EqualFold(b.Checksum, b.Configured):
		p.printf("  program    %s, with the configured checksum\n", shown(b.Path))
	default:
		p.printf("  program    %s\n  checksum   %s\n", shown(b.Path), b.Checksum)
	}
}

func writeInForce(p *page, f *configcheck.InForce) {
	p.printf("  policy     %s\n", shown(f.PolicySource))
	p.printf("  revision   %s\n", f.PolicyRevision)
	if f.Shadow != nil {
		p.printf("  shadow     %s\n  revision   %s\n", shown(f.Shadow.PolicySource), f.Shadow.PolicyRevision)
	}
	p.printf("  facts      %s\n", factsText(f.RequiredFacts, f.OptionalFacts))
	p.printf("  rules\n")
	widest := 0
	for _, rule := range f.Rules {
		widest = max(widest, len(rule.Rule))
	}
	for _, rule := range f.Rules {
		mode := fmt.Sprintf("%-4s", rule.Enforcement)
		if rule.Enforcement != "deny" {
			mode = p.warn(mode)
		}
		p.printf("    %s  %-*s  %s  %s\n", mode, widest, rule.Rule, shown(rule.Title), p.faint(fmt.Sprintf("%s:%d", shown(rule.File), rule.Line)))
	}
}

func factsText(required, optional []string) string {
	text := "none"
	if len(required) > 0 {
		text = strings.Join(required, ", ")
	}
	if len(optional) > 0 {
		text += "; if they can be had: " + strings.Join(optional, ", ")
	}
	return text
}
