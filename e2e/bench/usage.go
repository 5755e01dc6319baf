package bench

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// usage is what a process has used, as Linux tells.
type usage struct {
	cpu  time.Duration
	peak int64 // bytes of memory that were resident at once
}

// tick is the unit of times in /proc: USER_HZ, which is 100 on all of Go's ports.
const tick = 10 * time.Millisecond

// usageOf reads /proc, see proc_pid_stat(5) and proc_pid_status(5). A process that
// has ended has no memory any more, until it is buried; after that, it is an error.
func usageOf(pid int) (usage, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return usage{}, fmt.Errorf("bench: %w", err)
	}
	// After the name, which may hold anything, come the fields from the third on.
	fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
	if len(fields) < 13 {
		return usage{}, fmt.Errorf("bench: /proc/%d/stat has %d fields", pid, len(fields))
	}
	var ticks int64
	for _, field := range fields[11:13] { // utime, stime
		n, err := strconv.ParseInt(field, 10, 64)
		if err != nil {
			return usage{}, fmt.Errorf("bench: /proc/%d/stat: %w", pid, err)
		}
		ticks += n
	}
	used := usage{cpu: time.Duration(ticks) * tick}
	if peak := status(pid, "VmHWM"); peak != "" {
		kilobytes, err := strconv.ParseInt(strings.TrimSuffix(peak, " kB"), 10, 64)
		if err != nil {
			return usage{}, fmt.Errorf("bench: /proc/%d/status: %w", pid, err)
		}
		used.peak = kilobytes << 10
	}
	return used, nil
}

// childrenOf are the processes that a process has started and that still run.
func childrenOf(pid int) (children []int) {
	entries, _ := filepath.Glob("/proc/[0-9]*")
	for _, entry := range entries {
		child, _ := strconv.Atoi(filepath.Base(entry))
		if status(child, "PPid") == strconv.Itoa(pid) {
			children = append(children, child)
		}
	}
	return children
}

// status is a line of /proc/PID/status; empty when there is none.
func status(pid int, name string) string {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(text)) {
		if value, ok := strings.CutPrefix(line, name+":"); ok {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// family is what a process and those that it started have used together, and what
// the latter, which are plugins, have alone. Whoever ends meanwhile counts for
// nothing: a test's process has children of other tests too.
func family(pid int) (all, plugins usage, err error) {
	if all, err = usageOf(pid); err != nil {
		return usage{}, usage{}, err
	}
	for _, child := range childrenOf(pid) {
		used, err := usageOf(child)
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ESRCH) {
			continue
		}
		if err != nil {
			return usage{}, usage{}, err
		}
		plugins.cpu += used.cpu
		plugins.peak = max(plugins.peak, used.peak)
	}
	all.cpu += plugins.cpu
	return all, plugins, nil
}
