package bench

import (
	"fmt"
	"os"
	"runtime"
	"strings"
)

// Machine describes this one, without its name.
func Machine() string {
	return fmt.Sprintf("%d cores of %s, %s of memory, %s/%s, %s, load %s before it began",
		runtime.NumCPU(), firstOf("/proc/cpuinfo", "model name"), gibibytes(firstOf("/proc/meminfo", "MemTotal")),
		runtime.GOOS, runtime.GOARCH, runtime.Version(), load())
}

// firstOf is the value of the first line with that name.
func firstOf(file, name string) string {
	text, err := os.ReadFile(file)
	if err != nil {
		return "unknown"
	}
	for line := range strings.Lines(string(text)) {
		if key, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(key) == name {
			return strings.TrimSpace(value)
		}
	}
	return "unknown"
}

func gibibytes(text string) string {
	var kilobytes float64
	if _, err := fmt.Sscanf(text, "%f kB", &kilobytes); err != nil {
		return text
	}
	return fmt.Sprintf("%.0f GiB", kilobytes/(1<<20))
}

// load is how many processes wanted a processor over the last minute.
func load() string {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "unknown"
	}
	first, _, _ := strings.Cut(string(text), " ")
	return first
}
