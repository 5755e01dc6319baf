package process_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/spire-gatehouse/gatehouse/e2e/process"
	"github.com/spire-gatehouse/gatehouse/internal/testwait"
)

func shell(t *testing.T, script string) *process.Process {
	t.Helper()
	p, err := process.Start(t.Context(), nil, os.Environ(), "/bin/sh", "-c", script)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Stop)
	return p
}

func anything(process.Entry) bool { return true }

func TestStopEndsChildrenToo(t *testing.T) {
	p := shell(t, `sleep 1000 >/dev/null 2>&1 & echo $!; wait`)
	entry, err := p.Log.Wait(t.Context(), 0, anything)
	if err != nil {
		t.Fatal(err)
	}
	child, err := strconv.Atoi(entry.Message)
	if err != nil {
		t.Fatal(err)
	}
	p.Stop()
	// The kernel has killed the child, and it is for init to bury it.
	testwait.Until(t, func() string {
		if gone(child) {
			return ""
		}
		return fmt.Sprintf("the child %d still runs", child)
	})
}

// gone says whether a process runs no more: a zombie does not.
func gone(pid int) bool {
	if errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) {
		return true
	}
	state, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	return err == nil && strings.Contains(string(state), ") Z ")
}

func TestLogWaits(t *testing.T) {
	p := shell(t, `echo first; echo '{"msg":"second","count":2,"list":["a"]}'; printf last; exit 3`)
	entry, err := p.Log.Wait(t.Context(), 1, process.Message("second"))
	if err != nil {
		t.Fatal(err)
	}
	if entry.Field("count") != "2" || entry.Field("list") != "[a]" || entry.Field("none") != "" {
		t.Errorf("got %+v", entry)
	}
	if err := p.Wait(t.Context()); err == nil || err.Error() != "exit status 3" {
		t.Errorf("ended with %v", err)
	}
	if _, err := p.Log.Wait(t.Context(), 0, process.Message("third")); err == nil || !strings.Contains(err.Error(), "last") {
		t.Errorf("waiting for what never comes: %v", err)
	}
	if got := p.Log.Tail(2); got != "{\"msg\":\"second\",\"count\":2,\"list\":[\"a\"]}\nlast" {
		t.Errorf("tail: %q", got)
	}
}

func TestLogWaitObeysContext(t *testing.T) {
	p := shell(t, `sleep 1000`)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := p.Log.Wait(ctx, 0, anything); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestCleanupRunsBeforeDone(t *testing.T) {
	cleaned := false
	p, err := process.Start(t.Context(), func() { cleaned = true }, nil, "/bin/sh", "-c", "exit 0")
	if err != nil {
		t.Fatal(err)
	}
	<-p.Done()
	if !cleaned {
		t.Error("no cleanup after the end")
	}
	cleaned = false
	if _, err := process.Start(t.Context(), func() { cleaned = true }, nil, "/nonexistent"); err == nil || !cleaned {
		t.Errorf("starting nothing: %v, cleaned up: %t", err, cleaned)
	}
}
