// Command recordlog records a decision log as a fleet would leave one behind, to try
// gatehouse replay on: see e2e/recording.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spire-gatehouse/gatehouse/e2e/recording"
	"github.com/spire-gatehouse/gatehouse/e2e/repo"
	"github.com/spire-gatehouse/gatehouse/e2e/spire"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	dir := flag.String("dir", "", "directory to write it to, empty or not there")
	machines := flag.Int("machines", recording.Machines, "how many machines attest, four times each")
	seed := flag.Uint64("seed", recording.Seed, "the same seed gives the same machines")
	flag.Parse()
	if err := record(ctx, recording.NewFleet(*seed, *machines), *dir); err != nil {
		fmt.Fprintln(os.Stderr, "recordlog:", err)
		os.Exit(1)
	}
}

func record(ctx context.Context, fleet recording.Fleet, dir string) error {
	if dir == "" {
		return fmt.Errorf("-dir is missing")
	}
	binaries, err := spire.FindBinaries(ctx, os.Stderr)
	if err != nil {
		return err
	}
	build, err := os.MkdirTemp("", "gatehouse-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(build)
	gatehouse, err := repo.BuildGatehouse(ctx, build)
	if err != nil {
		return err
	}
	return recording.Record(ctx, recording.Programs{SPIRE: binaries, Gatehouse: gatehouse}, fleet, dir)
}
