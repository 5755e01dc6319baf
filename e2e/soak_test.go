package e2e_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/spire-gatehouse/gatehouse/e2e/standin/fault"
)

// soakTime is how long TestSoak takes unless SOAKTIME says otherwise.
const soakTime = 5 * time.Second

// TestSoak attests while calls fail, policy is edited and SPIRE configures the
// plugin anew, all at once: every node gets in, the process stays, and its memory
// does not grow with the time.
func TestSoak(t *testing.T) {
	lasting := soakTime
	if text := os.Getenv("SOAKTIME"); text != "" {
		var err error
		if lasting, err = time.ParseDuration(text); err != nil {
			t.Fatal(err)
		}
	}
	s := newStormy(t, 5, "4s")
	plugin := pluginPID(t, os.Getpid())
	policy := filepath.Join(t.TempDir(), "policy")
	edit := func(n int) error {
		text := fmt.Sprintf("package gatehouse.aws_iid\n\nselector contains \"revision:%d\"\n", n)
		return errors.Join(os.MkdirAll(policy, 0o755), os.WriteFile(filepath.Join(policy, ".new"), []byte(text), 0o600),
			os.Rename(filepath.Join(policy, ".new"), filepath.Join(policy, "own.rego")))
	}
	if err := edit(0); err != nil {
		t.Fatal(err)
	}
	configure := func(n int) error {
		err := s.attestor.Configure(t.Context(), s.data+fmt.Sprintf("\tpolicy { directory = %q }\n\tlimits { max_concurrent = %d }\n", policy, 4+n%8))
		if err != nil && strings.Contains(err.Error(), "the directory's files change all the time") {
			return nil // on a busy machine: what is in force stays
		}
		return err
	}
	if err := configure(0); err != nil {
		t.Fatal(err)
	}
	s.faults.Set(fault.Rule{Share: 0.2})

	ctx, stop := context.WithTimeout(t.Context(), lasting)
	defer stop()
	var all sync.WaitGroup
	var attested, tries, edits, configurations atomic.Int64
	every := func(d time.Duration, what string, count *atomic.Int64, do func(int) error) {
		all.Go(func() {
			ticker := time.NewTicker(d)
			defer ticker.Stop()
			for {
				select {
				case <-ctx.Done():
					return
				case <-ticker.C:
					if err := do(int(count.Add(1))); err != nil {
						t.Errorf("%s: %v", what, err)
					}
				}
			}
		})
	}
	every(2*time.Second, "edit", &edits, edit)
	every(1500*time.Millisecond, "configure", &configurations, configure)
	payloads := make(chan []byte)
	for range 8 {
		all.Go(func() {
			for payload := range payloads {
				used, err := s.try(t.Context(), payload, 20)
				if err != nil {
					t.Errorf("after %d tries: %v", used, err)
				}
				attested.Add(1)
				tries.Add(int64(used))
			}
		})
	}
	var early, late int
	warm := false
	began := time.Now()
	for n := 0; ctx.Err() == nil || !warm; n++ {
		for _, p := range places() {
			if n%100 == 0 {
				s.scale(p, n, n+400)
			}
			payloads <- p.boot(t, s.world, s.signers, nodeID(p, n))
		}
		// After a third of the time all caches are warm and all code has run.
		if !warm && time.Since(began) > lasting/3 {
			warm, early = true, residentKiB(t, plugin)
		}
	}
	close(payloads)
	all.Wait()
	late = residentKiB(t, plugin)
	calls, hits := s.faults.Hits()
	t.Logf("%s: %d attestations in %d tries, %d edits of policy, %d configurations, %d calls of which went wrong %v; %d KiB of memory after a third, %d KiB at the end",
		lasting, attested.Load(), tries.Load(), edits.Load(), configurations.Load(), calls, hits, early, late)
	if attested.Load() == 0 || edits.Load() == 0 || configurations.Load() == 0 {
		t.Error("the soak was dry")
	}
	if now := pluginPID(t, os.Getpid()); now != plugin {
		t.Errorf("the plugin was process %d and is %d now", plugin, now)
	}
	if late > 2*early+64<<10 {
		t.Errorf("the plugin had %d KiB after a third of the time and has %d now", early, late)
	}
}

// residentKiB is the memory of a process; 0 where there is no /proc.
func residentKiB(t *testing.T, pid int) int {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(text), "VmRSS:")
	kib, err := strconv.Atoi(strings.Fields(rest + " 0")[0])
	if err != nil {
		t.Fatal(err)
	}
	return kib
}
