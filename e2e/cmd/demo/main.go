// Command demo shows Gatehouse at work on one machine: an unmodified SPIRE
// server that loads it, an unmodified SPIRE agent that attests through it, and
// an AWS on loopback. Run it with make demo, which builds bin/gatehouse before.
//
// It stops all that it started, also on Ctrl-C, and exits with 1 when anything
// went otherwise than it should. The story is in run.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	screen := newScreen(os.Stdout)
	err := run(ctx, screen)
	switch {
	case err == nil:
		screen.end()
	case errors.Is(ctx.Err(), context.Canceled):
		fmt.Fprintln(os.Stderr, "\ninterrupted; everything is stopped")
		os.Exit(130)
	default:
		fmt.Fprintf(os.Stderr, "\ndemo: %v\n", err)
		os.Exit(1)
	}
}
