package attestor

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// mounted is a directory as Kubernetes mounts a ConfigMap: links to a hidden
// folder, which is replaced as a whole by swapping one link.
type mounted struct {
	policyDir
	revision int
}

func (m *mounted) publish(t *testing.T, files map[string]string) {
	t.Helper()
	old := fmt.Sprintf("..%d", m.revision)
	m.revision++
	next := fmt.Sprintf("..%d", m.revision)
	in := func(name string) string { return filepath.Join(string(m.policyDir), name) }
	for name, text := range files {
		policyDir(in(next)).write(t, name, text)
	}
	if err := errors.Join(os.Symlink(next, in("..tmp")), os.Rename(in("..tmp"), in("..data"))); err != nil {
		t.Fatal(err)
	}
	for name := range files {
		top, _, _ := strings.Cut(name, "/")
		if err := os.Symlink(filepath.Join("..data", top), in(top)); err != nil && !errors.Is(err, os.ErrExist) {
			t.Fatal(err)
		}
	}
	if err := os.RemoveAll(in(old)); err != nil {
		t.Fatal(err)
	}
}

// TestSwapUnderLoad attests while one revision takes over from another: no node
// is refused, none gets some of each, and none an older one than a node before.
func TestSwapUnderLoad(t *testing.T) {
	const swaps, workers = 3, 2
	m := &mounted{policyDir: policyDir(t.TempDir())}
	publish := func(n int) {
		m.publish(t, map[string]string{
			"gatehouse/aws_iid/tofu.rego": tofuOff,
			"gatehouse/aws_iid/a.rego":    selecting(fmt.Sprintf("own:a:%d", n)),
			"z.rego":                      selecting(fmt.Sprintf("own:z:%d", n)),
		})
	}
	publish(0)
	p := serve(t, newCloud(), &agentStore{})
	p.configure(t, m.config())

	stop := make(chan struct{})
	results := make(chan error, workers)
	good := payload(t, nil)
	for range workers {
		go func() { results <- p.attestUntil(t, good, stop) }()
	}
	for n := 1; n <= swaps; n++ {
		publish(n)
		p.logs.next(t, policyTookOver)
	}
	close(stop)
	for range workers {
		if err := <-results; err != nil {
			t.Error(err)
		}
	}
	p.logs.reset()
	p.wantOwn(t, fmt.Sprintf("own:a:%d", swaps), fmt.Sprintf("own:z:%d", swaps))
}

// attestUntil attests over and over, and reports the first that is not as it
// should be.
func (p *plugin) attestUntil(t *testing.T, payload []byte, stop <-chan struct{}) error {
	last := 0
	for {
		select {
		case <-stop:
			return nil
		default:
		}
		got, err := p.attest(t, payload)
		if err != nil {
			return err
		}
		var own []int
		for _, selector := range got.SelectorValues {
			if rest, ok := strings.CutPrefix(selector, "own:"); ok {
				var file rune
				var n int
				if _, err := fmt.Sscanf(rest, "%c:%d", &file, &n); err != nil {
					return err
				}
				own = append(own, n)
			}
		}
		if len(own) != 2 || own[0] != own[1] || own[0] < last {
			return fmt.Errorf("a node got %v after one of revision %d", got.SelectorValues, last)
		}
		last = own[0]
	}
}
