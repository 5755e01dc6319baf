// Command bench measures Gatehouse beside SPIRE's built-in attestors and prints the
// report that docs/benchmarks.md holds. Run it with make bench, which builds
// bin/gatehouse before.
package main

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"time"

	"github.com/spire-gatehouse/gatehouse/e2e/bench"
	"github.com/spire-gatehouse/gatehouse/e2e/repo"
	"github.com/spire-gatehouse/gatehouse/e2e/spire"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := func() error {
		if len(os.Args) > 1 && os.Args[1] == bench.Argument {
			return bench.Serve(ctx, os.Stdin, os.Stdout)
		}
		return run(ctx)
	}()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	suite := bench.Suite{Progress: os.Stderr}
	flag.IntVar(&suite.Nodes, "nodes", 1000, "nodes of a storm")
	flag.IntVar(&suite.Large, "large", 10000, "nodes of a large storm")
	flag.IntVar(&suite.AtOnce, "at-once", 200, "nodes that attest at once")
	flag.DurationVar(&suite.Retry, "retry", 5*time.Second, "after which those that fail come again")
	flag.IntVar(&suite.Sequential, "sequential", 1000, "nodes one after the other")
	flag.IntVar(&suite.Rounds, "rounds", 1, "of each storm, in alternating order")
	flag.DurationVar(&suite.Patience, "patience", 3*time.Minute, "after which the large storm under limits is broken off; 0 for never, which takes the built-in a quarter of an hour")
	flag.Func("only", "measure only the rows of the report whose names match this regular expression, and no steps", func(text string) (err error) {
		suite.Only, err = regexp.Compile(text)
		return err
	})
	latency := flag.Duration("latency", 20*time.Millisecond, "of each call of a cloud")
	flag.IntVar(&suite.AWS.EC2Burst, "ec2-burst", 100, "DescribeInstances at once; 0 for no limit")
	flag.IntVar(&suite.AWS.EC2PerSecond, "ec2-rate", 20, "DescribeInstances a second after that")
	flag.IntVar(&suite.AWS.IAMBurst, "iam-burst", 0, "GetInstanceProfile at once; 0 for no limit")
	flag.IntVar(&suite.AWS.IAMPerSecond, "iam-rate", 0, "GetInstanceProfile a second after that")
	flag.IntVar(&suite.Azure.Burst, "arm-burst", 250, "calls of Resource Manager at once; 0 for no limit")
	flag.IntVar(&suite.Azure.PerSecond, "arm-rate", 25, "calls of Resource Manager a second after that")
	write := flag.String("write", "", "put the report into this file too, between its markers")
	flag.Parse()
	if flag.NArg() > 0 || suite.Rounds < 1 || suite.AtOnce < 1 || suite.Nodes < 1 || suite.Large < suite.Nodes || suite.Sequential < 100 {
		return fmt.Errorf("bench: no arguments; at least one round and node, at least 100 in sequence, and no large storm smaller than a storm")
	}
	suite.AWS.Latency, suite.Azure.Latency = *latency, *latency
	root, err := repo.Root()
	if err != nil {
		return err
	}
	suite.Program = filepath.Join(root, "bin", "gatehouse")
	if suite.Binaries, err = spire.FindBinaries(ctx, os.Stderr); err != nil {
		return err
	}
	began := time.Now()
	report, err := suite.Run(ctx)
	if err != nil {
		if report != nil { // minutes went into it
			report.Took = time.Since(began)
			report.Markdown(os.Stdout)
		}
		return err
	}
	if suite.Only == nil {
		if report.Benches, err = benchmarks(ctx, root); err != nil {
			return err
		}
	}
	report.Took = time.Since(began)
	var text bytes.Buffer
	report.Markdown(&text)
	if _, err := os.Stdout.Write(text.Bytes()); err != nil || *write == "" {
		return err
	}
	return replace(*write, text.String())
}

// benchmarks runs those of the steps of a decision, as go test prints them.
func benchmarks(ctx context.Context, root string) ([]string, error) {
	command := exec.CommandContext(ctx, "go", "test", "-run", "^$", "-bench", "^Benchmark(Verify|Admit|Decide|Encode|Attestation)$", "-benchmem",
		"./evidence/awsiid", "./evidence/azuremsi", "./rego")
	command.Dir = root
	output, err := command.CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("bench: go test -bench: %w\n%s", err, output)
	}
	var lines []string
	for line := range strings.Lines(string(output)) {
		switch {
		case strings.HasPrefix(line, "pkg: "):
			lines = append(lines, strings.TrimSpace(line))
		case strings.HasPrefix(line, "Benchmark"):
			lines = append(lines, strings.TrimSpace(strings.ReplaceAll(line, "\t", " ")))
		}
	}
	return lines, nil
}

// Markers of the report in a file.
const (
	begin = "<!-- written by make bench -->"
	end   = "<!-- end of what make bench writes -->"
)

// replace puts the report between the markers.
func replace(file, report string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	head, rest, found := strings.Cut(string(text), begin)
	_, tail, foundEnd := strings.Cut(rest, end)
	if !found || !foundEnd {
		return fmt.Errorf("bench: %s has no place for a report", file)
	}
	return os.WriteFile(file, []byte(head+begin+"\n\n"+report+"\n"+end+tail), 0o644)
}
