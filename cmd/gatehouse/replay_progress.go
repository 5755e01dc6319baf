package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/term"

	"github.com/spire-gatehouse/gatehouse/replay"
)

// showProgress shows on a terminal, and nowhere else, how much of the logs has been
// read, until done is called.
func showProgress(w io.Writer, logs []replay.Log, read *atomic.Int64) (done func()) {
	file, isFile := w.(*os.File)
	if !isFile || !term.IsTerminal(int(file.Fd())) || os.Getenv("CI") != "" {
		return func() {}
	}
	var total int64
	for _, log := range logs {
		if log.Size < 0 {
			total = 0
			break
		}
		total += log.Size
	}
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		ticker := time.NewTicker(200 * time.Millisecond)
		defer ticker.Stop()
		for {
			select {
			case <-stop:
				fmt.Fprint(w, "\r\x1b[K")
				return
			case <-ticker.C:
				fmt.Fprintf(w, "\r\x1b[K%s", progress(read.Load(), total))
			}
		}
	}()
	return func() {
		close(stop)
		<-stopped
	}
}

// progress is a bar, or the bytes alone where nobody knows how many there will be.
func progress(read, total int64) string {
	const width, mega = 40, 1e6
	if total == 0 {
		return fmt.Sprintf("replaying: %.1f MB", float64(read)/mega)
	}
	share := min(float64(read)/float64(total), 1)
	full := int(share * width)
	return fmt.Sprintf("replaying [%s%s] %3.0f %%", strings.Repeat("#", full), strings.Repeat(".", width-full), 100*share)
}
