// Package testpostgres starts throw-away PostgreSQL servers of the programs that
// the machine has, for tests.
//
// Start at Start. A server takes about a second, a Database of one milliseconds.
package testpostgres

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/spire-gatehouse/gatehouse/internal/testport"
	"github.com/spire-gatehouse/gatehouse/internal/testwait"
)

// Server is a running server, of which this test is the only user. It listens on
// loopback, asks for no password, and cares nothing for power cuts.
type Server struct {
	programs  programs
	dir       string
	port      int
	as        *syscall.Credential // nil for this process's own user
	process   *exec.Cmd
	ended     chan struct{}
	databases atomic.Int32
}

// startTimeout bounds the time until a server answers.
const startTimeout = 4 * time.Minute

// Start starts a server that ends with the test. Without PostgreSQL the test is
// skipped, and fails where CI is set: there, nothing may be left out.
func Start(t testing.TB) *Server {
	t.Helper()
	s, err := New(t.Context())
	if errors.Is(err, ErrNotInstalled) && os.Getenv("CI") == "" {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// New starts a server; Close it.
func New(ctx context.Context) (_ *Server, err error) {
	found, err := find()
	if err != nil {
		return nil, err
	}
	s := &Server{programs: found}
	// A socket's path must be short, which a test's own directory need not be.
	if s.dir, err = os.MkdirTemp("/tmp", "gh-postgres-"); err != nil {
		return nil, fmt.Errorf("testpostgres: %w", err)
	}
	defer func() {
		if err != nil {
			s.Close()
		}
	}()
	if err := s.notRoot(); err != nil {
		return nil, err
	}
	if s.port, err = testport.Free(ctx); err != nil {
		return nil, err
	}
	data := s.command(ctx, found.initdb, "--pgdata", s.data(), "--username", "postgres", "--auth", "trust",
		"--no-sync", "--no-locale", "--encoding", "UTF8")
	if err := run(data); err != nil {
		return nil, err
	}
	return s, s.Resume(ctx)
}

// notRoot finds another user where this process is root's: PostgreSQL refuses to
// run as that.
func (s *Server) notRoot() error {
	if os.Getuid() != 0 {
		return nil
	}
	var found *user.User
	var err error
	for _, name := range []string{"postgres", "nobody"} {
		if found, err = user.Lookup(name); err == nil {
			break
		}
	}
	if err != nil {
		return fmt.Errorf("testpostgres: PostgreSQL does not run as root, and there is no other user for it: %w", err)
	}
	uid, err := strconv.ParseUint(found.Uid, 10, 32)
	if err != nil {
		return fmt.Errorf("testpostgres: %w", err)
	}
	gid, err := strconv.ParseUint(found.Gid, 10, 32)
	if err != nil {
		return fmt.Errorf("testpostgres: %w", err)
	}
	s.as = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	return os.Chown(s.dir, int(uid), int(gid))
}

func (s *Server) data() string { return filepath.Join(s.dir, "data") }

func (s *Server) command(ctx context.Context, path string, args ...string) *exec.Cmd {
	command := exec.CommandContext(ctx, path, args...)
	command.Dir = s.dir
	command.Env = []string{"PATH=" + os.Getenv("PATH"), "LC_ALL=C"}
	command.SysProcAttr = attributes()
	command.SysProcAttr.Credential = s.as
	return command
}

// Resume starts a server that was stopped: with its data, at the same port.
func (s *Server) Resume(ctx context.Context) error {
	// The process must outlive ctx, and ends by Stop.
	s.process = s.command(context.WithoutCancel(ctx), s.programs.postgres, "-D", s.data(),
		"-c", "listen_addresses=127.0.0.1", "-c", "port="+strconv.Itoa(s.port), "-c", "unix_socket_directories=",
		"-c", "fsync=off", "-c", "full_page_writes=off", "-c", "max_connections=200",
		"-c", "shared_buffers=32MB")
	log, err := os.Create(filepath.Join(s.dir, "log"))
	if err != nil {
		return fmt.Errorf("testpostgres: %w", err)
	}
	defer log.Close()
	s.process.Stdout, s.process.Stderr = log, log
	if err := s.process.Start(); err != nil {
		return fmt.Errorf("testpostgres: %w", err)
	}
	ended := make(chan struct{})
	go func() {
		_ = s.process.Wait()
		close(ended)
	}()
	s.ended = ended
	return s.up(ctx)
}

// up waits until the server answers.
func (s *Server) up(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for {
		conn, err := pgx.Connect(ctx, s.ConnectionString("postgres"))
		if err == nil {
			return conn.Close(ctx)
		}
		select {
		case <-s.ended:
			log, _ := os.ReadFile(filepath.Join(s.dir, "log"))
			return fmt.Errorf("testpostgres: the server ended: %s", log)
		case <-ctx.Done():
			return fmt.Errorf("testpostgres: the server does not answer: %w", err)
		case <-ticker.C:
		}
	}
}

// Stop ends the server as a crash would: connections break, and what was
// committed is kept.
func (s *Server) Stop() {
	if s.process == nil {
		return
	}
	_ = s.process.Process.Signal(syscall.SIGQUIT)
	<-s.ended
	s.process = nil
}

// Close stops the server and removes it.
func (s *Server) Close() {
	s.Stop()
	_ = os.RemoveAll(s.dir)
}

// ConnectionString is for a database of the server, as its superuser.
func (s *Server) ConnectionString(database string) string {
	return fmt.Sprintf("host=127.0.0.1 port=%d user=postgres dbname=%s sslmode=disable", s.port, database)
}

// Database makes a new, empty database and returns its connection string.
func (s *Server) Database(t testing.TB) string {
	t.Helper()
	name := fmt.Sprintf("test%d", s.databases.Add(1))
	s.Exec(t, s.ConnectionString("postgres"), "CREATE DATABASE "+name)
	return s.ConnectionString(name)
}

// Exec runs statements in a database.
func (s *Server) Exec(t testing.TB, connectionString, statements string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), connectionString)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.WithoutCancel(t.Context()))
	if _, err := conn.Exec(t.Context(), statements); err != nil {
		t.Fatal(err)
	}
}

// RequirePassword makes a superuser that has to give a password.
func (s *Server) RequirePassword(t testing.TB, user, password string) {
	t.Helper()
	s.Exec(t, s.ConnectionString("postgres"), fmt.Sprintf("CREATE ROLE %s SUPERUSER LOGIN PASSWORD '%s'", user, password))
	file := filepath.Join(s.data(), "pg_hba.conf")
	rules, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	rules = append([]byte("host all "+user+" 127.0.0.1/32 scram-sha-256\n"), rules...)
	if err := os.WriteFile(file, rules, 0o600); err != nil {
		t.Fatal(err)
	}
	s.Exec(t, s.ConnectionString("postgres"), "SELECT pg_reload_conf()")
	testwait.Until(t, func() string { // which only says that it is to be done
		conn, err := pgx.Connect(t.Context(), strings.Replace(s.ConnectionString("postgres"), "user=postgres", "user="+user, 1))
		if err != nil {
			return ""
		}
		_ = conn.Close(t.Context())
		return user + " needs no password yet"
	})
}

// Count runs a query that answers with one number.
func (s *Server) Count(t testing.TB, connectionString, query string) int {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), connectionString)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.WithoutCancel(t.Context()))
	var count int
	if err := conn.QueryRow(t.Context(), query).Scan(&count); err != nil {
		t.Fatal(err)
	}
	return count
}

// Pause halts the server's processes, so that it neither answers nor refuses,
// and returns what lets them go on; that is called at the end of the test if not
// before.
func (s *Server) Pause(t testing.TB) (goOn func()) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), s.ConnectionString("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.WithoutCancel(t.Context()))
	rows, err := conn.Query(t.Context(), "SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()")
	if err != nil {
		t.Fatal(err)
	}
	processes, err := pgx.CollectRows(rows, pgx.RowTo[int])
	if err != nil {
		t.Fatal(err)
	}
	processes = append([]int{s.process.Process.Pid}, processes...) // no new ones first
	signal := func(what syscall.Signal) {
		for _, pid := range processes {
			// One of a connection that was just closed may have ended meanwhile.
			if err := syscall.Kill(pid, what); err != nil && !errors.Is(err, syscall.ESRCH) {
				t.Errorf("signal PostgreSQL: %v", err)
			}
		}
	}
	signal(syscall.SIGSTOP)
	var once atomic.Bool
	goOn = func() {
		if once.CompareAndSwap(false, true) {
			signal(syscall.SIGCONT)
		}
	}
	t.Cleanup(goOn)
	return goOn
}
