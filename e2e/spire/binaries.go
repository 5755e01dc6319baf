package spire

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"github.com/spire-gatehouse/gatehouse/e2e/repo"
)

// Version is the release of SPIRE that is run; e2e/tools/go.mod pins it.
const Version = "1.15.3"

// Binaries are the paths of SPIRE's programs.
type Binaries struct {
	Server, Agent string
}

// FindBinaries returns SPIRE's programs: those that SPIRE_SERVER and
// SPIRE_AGENT name, or else the ones in the checkout's .cache. It builds these
// when they are not there, which takes minutes, and says so on progress; see also
// cmd/spire. Only one process builds at a time; the others wait for it.
func FindBinaries(ctx context.Context, progress io.Writer) (Binaries, error) {
	named := Binaries{Server: os.Getenv("SPIRE_SERVER"), Agent: os.Getenv("SPIRE_AGENT")}
	switch {
	case named.Server != "" && named.Agent != "":
		return named, named.check()
	case named.Server != "" || named.Agent != "":
		return Binaries{}, errors.New("spire: set both SPIRE_SERVER and SPIRE_AGENT, or neither")
	}
	cache, err := repo.Cache()
	if err != nil {
		return Binaries{}, err
	}
	dir := filepath.Join(cache, "spire-"+Version)
	cached := Binaries{Server: filepath.Join(dir, "spire-server"), Agent: filepath.Join(dir, "spire-agent")}
	if cached.check() == nil {
		return cached, nil
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return Binaries{}, fmt.Errorf("spire: %w", err)
	}
	unlock, err := lock(ctx, filepath.Join(dir, "lock"), progress)
	if err != nil {
		return Binaries{}, err
	}
	defer unlock()
	if cached.check() == nil {
		return cached, nil // another process built them meanwhile
	}
	if err := build(ctx, dir, progress); err != nil {
		return Binaries{}, err
	}
	return cached, cached.check()
}

// check says whether both programs are there.
func (b Binaries) check() error {
	for _, path := range []string{b.Server, b.Agent} {
		info, err := os.Stat(path)
		if err != nil {
			return fmt.Errorf("spire: %w", err)
		}
		if !info.Mode().IsRegular() || info.Mode().Perm()&0o111 == 0 {
			return fmt.Errorf("spire: %s is not a program", path)
		}
	}
	return nil
}

// build compiles both programs into a directory beside their place and then
// renames them: one interrupted leaves nothing half.
func build(ctx context.Context, dir string, progress io.Writer) error {
	root, err := repo.Root()
	if err != nil {
		return err
	}
	fresh, err := os.MkdirTemp(dir, "build-")
	if err != nil {
		return fmt.Errorf("spire: %w", err)
	}
	defer os.RemoveAll(fresh)

	fmt.Fprintf(progress, "building spire-server and spire-agent %s into %s: about 8 minutes on two cores, once\n", Version, dir)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go report(ctx, progress)

	command := exec.CommandContext(ctx, "go", "build", "-o", fresh+string(filepath.Separator),
		"github.com/spiffe/spire/cmd/spire-server", "github.com/spiffe/spire/cmd/spire-agent")
	command.Dir = filepath.Join(root, "e2e", "tools")
	command.Env = append(os.Environ(), "CGO_ENABLED=1") // for SQLite
	// The compilers are children of go: stop the whole group.
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	command.Cancel = func() error { return syscall.Kill(-command.Process.Pid, syscall.SIGTERM) }
	command.WaitDelay = 10 * time.Second
	if output, err := command.CombinedOutput(); err != nil {
		if ctx.Err() != nil {
			return fmt.Errorf("spire: build: %w", ctx.Err())
		}
		return fmt.Errorf("spire: build: %w\n%s", err, output)
	}
	for _, name := range []string{"spire-server", "spire-agent"} {
		if err := os.Rename(filepath.Join(fresh, name), filepath.Join(dir, name)); err != nil {
			return fmt.Errorf("spire: %w", err)
		}
	}
	return nil
}

// BuildTrustingServer builds SPIRE's server as it is, but for one more certificate
// that its built-in aws_iid takes for AWS's: see tools/trusting-server. After
// FindBinaries has built SPIRE it takes seconds.
func BuildTrustingServer(ctx context.Context, dir string) (string, error) {
	root, err := repo.Root()
	if err != nil {
		return "", err
	}
	binary := filepath.Join(dir, "trusting-server")
	command := exec.CommandContext(ctx, "go", "build", "-o", binary, "./trusting-server")
	command.Dir = filepath.Join(root, "e2e", "tools")
	command.Env = append(os.Environ(), "CGO_ENABLED=1") // for SQLite
	if output, err := command.CombinedOutput(); err != nil {
		return "", fmt.Errorf("spire: build trusting-server: %w\n%s", err, output)
	}
	return binary, nil
}

// report tells every few seconds that the build goes on.
func report(ctx context.Context, progress io.Writer) {
	started := time.Now()
	ticker := time.NewTicker(20 * time.Second)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-ticker.C:
			fmt.Fprintf(progress, "still building SPIRE, %s so far\n", now.Sub(started).Round(time.Second))
		}
	}
}

// lock takes an advisory lock, which the kernel releases when its holder ends.
func lock(ctx context.Context, path string, progress io.Writer) (unlock func(), err error) {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, fmt.Errorf("spire: %w", err)
	}
	ticker := time.NewTicker(200 * time.Millisecond)
	defer ticker.Stop()
	for first := true; ; first = false {
		err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return func() { _ = file.Close() }, nil
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			_ = file.Close()
			return nil, fmt.Errorf("spire: lock %s: %w", path, err)
		}
		if first {
			fmt.Fprintln(progress, "waiting for another process that builds SPIRE")
		}
		select {
		case <-ctx.Done():
			_ = file.Close()
			return nil, fmt.Errorf("spire: waiting for %s: %w", path, ctx.Err())
		case <-ticker.C:
		}
	}
}
