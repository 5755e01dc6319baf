// Command spire builds SPIRE's server and agent for the tests and the demo, if
// they are not in the checkout's .cache yet, and prints where they are. That
// takes about 8 minutes on two cores; it says on standard error how it goes,
// which the tests can't: go test holds back what they print.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spire-gatehouse/gatehouse/e2e/spire"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	found, err := spire.FindBinaries(ctx, os.Stderr)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Printf("%s\n%s\n", found.Server, found.Agent)
}
