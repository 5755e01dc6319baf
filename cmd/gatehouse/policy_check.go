package main

import (
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/spire-gatehouse/gatehouse/attestor"
	"github.com/spire-gatehouse/gatehouse/internal/authoring"
	"github.com/spire-gatehouse/gatehouse/policies"
)

func newPolicyCheck() *cobra.Command {
	var flags policyFlags
	var out answer
	cmd := &cobra.Command{
		Use:   "check [DIR]",
		Short: "Check a directory as the plugin does before it takes over",
		Long: `Check a directory of policies as the plugin does before a revision takes over: it
compiles in strict mode, reads only fields that the schemas have, uses only allowed
built-ins, passes its own tests, and answers about the sample inputs. It warns of negations that
are undefined where a value is missing.

It is checked for the plugins in whose packages it has rules, with the least
configuration that a plugin takes. gatehouse config check does it with yours.` +
			exitCodes("the plugin would take it", "it would not", "the directory can't be read"),
		Example: `  gatehouse policy check /etc/gatehouse/policy
  gatehouse policy check --plugin aws_iid --format json`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := out.check(); err != nil {
				return err
			}
			dir := flags.directory(args)
			plugins, err := flags.chosen(dir)
			if err != nil {
				return err
			}
			found, err := checkPolicy(cmd.Context(), dir, plugins)
			if err != nil {
				return err
			}
			if err := out.give(cmd, found, found.text); err != nil || found.OK {
				return err
			}
			return errNo
		},
	}
	flags.addBaseline(cmd)
	flags.addPlugin(cmd, "plugin to check it for; for several, repeat it (default: those in whose packages it has rules)")
	out.flag(cmd)
	return cmd
}

// policyFindings is what a check of a directory brought out.
type policyFindings struct {
	OK       bool               `json:"ok"`
	Plugins  []pluginFindings   `json:"plugins"`
	Warnings []authoring.Remark `json:"warnings,omitempty"`
}

type pluginFindings struct {
	Plugin   string          `json:"plugin"`
	OK       bool            `json:"ok"`
	Rules    []ruleFinding   `json:"rules,omitempty"`
	Problems []policyProblem `json:"problems,omitempty"`
}

// ruleFinding is a rule of the directory's own.
type ruleFinding struct {
	Name  string `json:"name"`
	Title string `json:"title,omitempty"`
	File  string `json:"file"`
	Line  int    `json:"line"`
}

type policyProblem struct {
	File    string `json:"file,omitempty"`
	Line    int    `json:"line,omitempty"`
	Message string `json:"message"`
}

func checkPolicy(ctx context.Context, dir attestor.PolicyDirectory, plugins []string) (policyFindings, error) {
	files, err := dir.Files()
	if err != nil {
		return policyFindings{}, err
	}
	all := policyFindings{OK: true}
	for _, plugin := range plugins {
		config, err := sampleConfig(plugin)
		if err != nil {
			return policyFindings{}, err
		}
		engine, problems := dir.Load(ctx, plugin, config)
		found := pluginFindings{Plugin: plugin, OK: len(problems) == 0}
		for _, problem := range problems {
			found.Problems = append(found.Problems, located(problem))
		}
		if engine != nil {
			for _, r := range engine.Rules() {
				if files.Own(r.File) {
					found.Rules = append(found.Rules, ruleFinding{r.Name, r.Title, r.File, r.Line})
				}
			}
		}
		all.OK = all.OK && found.OK
		all.Plugins = append(all.Plugins, found)
	}
	all.Warnings, err = authoring.NegatedCalls(files)
	return all, err
}

func sampleConfig(plugin string) (config map[string]any, err error) {
	text, err := policies.SampleConfig(plugin)
	if err == nil {
		err = json.Unmarshal(text, &config)
	}
	return config, err
}

var atLine = regexp.MustCompile(`(?s)^([^\s:]+):(\d+): (.*)$`)

// located reads the file and line that a problem begins with, if it does.
func located(problem string) policyProblem {
	match := atLine.FindStringSubmatch(problem)
	if match == nil {
		return policyProblem{Message: problem}
	}
	line, err := strconv.Atoi(match[2])
	if err != nil {
		return policyProblem{Message: problem}
	}
	return policyProblem{File: match[1], Line: line, Message: match[3]}
}

func (f policyFindings) text(p *page) {
	for i := 0; i < len(f.Plugins); {
		// What is wrong for one plugin is mostly wrong for the other.
		same := f.Plugins[i]
		names := []string{}
		for i < len(f.Plugins) && slices.Equal(f.Plugins[i].Problems, same.Problems) && (!same.OK || len(names) == 0) {
			names = append(names, f.Plugins[i].Plugin)
			i++
		}
		if same.OK {
			p.printf("%s: %s\n", same.Plugin, p.good("ok"))
			for _, r := range same.Rules {
				title := ""
				if r.Title != "" {
					title = ": " + shown(r.Title)
				}
				p.printf("  %s:%d: rule %s%s\n", shown(r.File), r.Line, shown(r.Name), title)
			}
			continue
		}
		p.printf("%s: %s\n", strings.Join(names, ", "), p.bad("would be refused"))
		for _, problem := range same.Problems {
			at := ""
			if problem.File != "" {
				at = fmt.Sprintf("%s:%d: ", problem.File, problem.Line)
			}
			printIndented(p, at+problem.Message)
		}
	}
	for _, warning := range f.Warnings {
		p.printf("%s %s:%d: %s\n", p.warn("warning:"), shown(warning.File), warning.Line, shown(warning.Text))
	}
}

// printIndented prints text of several lines, which may come from outside.
func printIndented(p *page, text string) {
	for line := range strings.Lines(text) {
		p.printf("  %s\n", shown(strings.ReplaceAll(strings.TrimRight(line, "\n"), "\t", "    ")))
	}
}
