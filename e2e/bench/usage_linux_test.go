package bench

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"testing"

	"golang.org/x/sys/unix"
)

// What a process has used is known, for this one at least.
func TestUsage(t *testing.T) {
	all, plugins, err := family(os.Getpid())
	if err != nil || plugins != (usage{}) {
		t.Fatalf("got %+v, %+v, %v", all, plugins, err)
	}
	if all.peak < 1<<20 || all.peak > 8<<30 {
		t.Errorf("%d bytes", all.peak)
	}
}

// A child that has ended and that nobody has waited for yet has no memory, and is
// none of the others' trouble.
func TestUsageBesideZombie(t *testing.T) {
	child := exec.Command("true")
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	if err := unix.Waitid(unix.P_PID, child.Process.Pid, nil, unix.WEXITED|unix.WNOWAIT, nil); err != nil {
		t.Fatal(err)
	}
	if got := childrenOf(os.Getpid()); len(got) != 1 || got[0] != child.Process.Pid {
		t.Fatalf("children %v, want the zombie %d", got, child.Process.Pid)
	}
	all, plugins, err := family(os.Getpid())
	if err != nil || plugins.peak != 0 || all.peak == 0 {
		t.Errorf("got %+v, %+v, %v", all, plugins, err)
	}
	if err := child.Wait(); err != nil {
		t.Fatal(err)
	}
	if got, err := usageOf(child.Process.Pid); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("of a process that is no more: %+v, %v", got, err)
	}
}
