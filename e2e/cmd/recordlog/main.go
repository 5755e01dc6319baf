// Command recordlog records a decision log as a fleet would leave one behind, to try
// gatehouse replay on: see internal/testlog.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"

	"github.com/spire-gatehouse/gatehouse/internal/testlog"
)

func main() {
	var o testlog.Options
	dir := flag.String("dir", ".", "directory to write it to")
	flag.IntVar(&o.Decisions, "decisions", 10_000, "how many decisions")
	flag.Uint64Var(&o.Seed, "seed", 1, "the same seed gives the same decisions")
	flag.Int64Var(&o.MaxBytes, "max-bytes", 0, "of a file, before another one is begun (default 100 MiB)")
	flag.BoolVar(&o.Compress, "compress", false, "pack full files with gzip")
	flag.Parse()
	if err := testlog.Write(context.Background(), *dir, o); err != nil {
		fmt.Fprintln(os.Stderr, "recordlog:", err)
		os.Exit(1)
	}
}
