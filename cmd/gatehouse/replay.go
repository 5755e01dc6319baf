package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"sync/atomic"

	"github.com/spf13/cobra"

	"github.com/spire-gatehouse/gatehouse/replay"
	replaypage "github.com/spire-gatehouse/gatehouse/replay/page"
)

// replayCommand is the command replay.
type replayCommand struct {
	answer
	logs            []string
	policy, against string
	withoutBaseline bool
	entries, config string
	html            string
	coverage        bool
	samples         int
	workers         int
}

func newReplay() *cobra.Command {
	var r replayCommand
	cmd := &cobra.Command{
		Use:   "replay --log FILE --policy DIR",
		Short: "Take recorded decisions again with another policy, and say what changes for whom",
		Long: `Take every decision of a decision log again with a policy that is not in force yet,
and say what would have come out differently: who would be refused, who let in, whose
agent ID and selectors change.

A log is a file, plain or packed with gzip, a directory of *.jsonl and *.jsonl.gz, or
"-" for standard input. More of them can follow as arguments.` +
			exitCodes("safe: nothing changes", "dangerous: agent IDs change, registration entries lose nodes, or the policy fails",
				"a log can't be read, the policy does not load, or nothing could be replayed") +
			fmt.Sprintf("  %d  something changes that is not dangerous: a person has to want it\n", exitChanges),
		Example: `  gatehouse replay --log /var/log/gatehouse/aws_iid.jsonl --policy policy
  gatehouse replay --policy policy --html report.html --log /var/log/gatehouse
  gatehouse replay --policy new.tar.gz --against old.tar.gz --log logs/*.jsonl.gz`,
		RunE: r.run,
	}
	flags := cmd.Flags()
	flags.StringArrayVar(&r.logs, "log", nil, "decision log to replay; may be repeated")
	flags.StringVar(&r.policy, "policy", "", `the candidate: a directory or a bundle, over the baseline; "baseline" for that alone`)
	flags.StringVar(&r.against, "against", "recorded", `what to compare with: "recorded", or a policy as --policy takes it`)
	flags.BoolVar(&r.withoutBaseline, "without-baseline", false, "the policies stand alone, without the baseline under them")
	flags.StringVar(&r.entries, "entries", "", "file with what spire-server entry show -output json prints")
	flags.StringVar(&r.config, "config", "", "JSON file with data.gatehouse.config, for decisions whose configuration the log lacks")
	flags.BoolVar(&r.coverage, "coverage", false, "also say which rules and lines the decisions exercise, and which facts nothing insists on")
	flags.IntVar(&r.samples, "samples", 20, "changed decisions to report of each group")
	flags.IntVar(&r.workers, "workers", 0, "decisions to take at a time (default: one a processor)")
	flags.StringVar(&r.html, "html", "", "file to write a page to that shows it all")
	flags.StringVar(&r.format, "format", "text", "how to answer: text, json or junit")
	return cmd
}

func (r *replayCommand) run(cmd *cobra.Command, args []string) error {
	logs := append(r.logs, args...)
	switch {
	case r.format != "junit" && r.check() != nil:
		return usageErrorf("--format %q is none of text, json and junit", r.format)
	case len(logs) == 0:
		return usageErrorf("--log is missing")
	case r.policy == "":
		return usageErrorf("--policy is missing")
	}
	options, err := r.options()
	if err != nil {
		return err
	}
	files, err := replay.Logs(logs, cmd.InOrStdin())
	if err != nil {
		return err
	}
	html, fresh, err := openPage(r.html)
	if err != nil {
		return fmt.Errorf("--html: %w", err)
	}
	defer html.Close()
	debug.SetGCPercent(replay.GCPercent)
	done := showProgress(cmd.ErrOrStderr(), files, options.Read)
	report, err := replay.Run(cmd.Context(), files, options)
	done()
	if report == nil && fresh {
		os.Remove(r.html) // an empty file is not a report
	}
	if report != nil {
		if err := r.show(cmd, html, report); err != nil {
			return err
		}
	}
	if err != nil {
		return err
	}
	switch report.Verdict {
	case replay.Safe:
		return nil
	case replay.Changes:
		return errChanges
	}
	return errNo
}

func (r *replayCommand) options() (replay.Options, error) {
	o := replay.Options{Coverage: r.coverage, Samples: r.samples, Workers: r.workers, Read: new(atomic.Int64)}
	if r.samples < 1 || r.samples > replay.MaxSamples {
		return o, usageErrorf("--samples %d is not between 1 and %d", r.samples, replay.MaxSamples)
	}
	if r.workers < 0 {
		return o, usageErrorf("--workers %d is less than 0", r.workers)
	}
	var err error
	if o.Candidate, err = r.open(r.policy); err != nil {
		return o, err
	}
	if r.against != "recorded" {
		against, err := r.open(r.against)
		if err != nil {
			return o, err
		}
		o.Against = &against
	}
	if r.config != "" {
		text, err := readFile(r.config)
		if err == nil {
			err = json.Unmarshal(text, &o.Config)
		}
		if err != nil {
			return o, fmt.Errorf("--config %s: %w", r.config, err)
		}
	}
	if r.entries != "" {
		f, err := os.Open(r.entries)
		if err != nil {
			return o, fmt.Errorf("--entries: %w", err)
		}
		defer f.Close()
		if o.Entries, err = replay.ReadEntries(f); err != nil {
			return o, fmt.Errorf("--entries %s: %w", r.entries, err)
		}
	}
	return o, nil
}

func (r *replayCommand) open(policy string) (replay.Policy, error) {
	if policy == "baseline" {
		return replay.Baseline(), nil
	}
	return replay.OpenPolicy(policy, r.withoutBaseline)
}

// show gives the answer, and writes the page, if there is one.
func (r *replayCommand) show(cmd *cobra.Command, html *os.File, report *replay.Report) error {
	var wrong error
	if html != nil {
		if err := writePage(html, report); err != nil {
			wrong = fmt.Errorf("--html: %w", err)
		}
	}
	if r.format == "junit" {
		return errors.Join(wrong, report.WriteJUnit(cmd.OutOrStdout()))
	}
	return errors.Join(wrong, r.give(cmd, report, func(p *page) { showReplay(p, report) }))
}

// openPage opens the file of the page, before a replay that may take long, and leaves
// what is in it. A new one is for its owner alone, as the decision log is: it has what
// clouds say about nodes. It is nil for no name.
func openPage(name string) (f *os.File, fresh bool, err error) {
	if name == "" {
		return nil, false, nil
	}
	f, err = os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if !errors.Is(err, os.ErrExist) {
		return f, err == nil, err
	}
	f, err = os.OpenFile(name, os.O_WRONLY, 0)
	return f, false, err
}

func writePage(f *os.File, report *replay.Report) error {
	if info, err := f.Stat(); err != nil {
		return err
	} else if info.Mode().IsRegular() {
		if err := f.Truncate(0); err != nil {
			return err
		}
	}
	return errors.Join(replaypage.Write(f, report), f.Close())
}
