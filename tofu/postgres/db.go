package postgres

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Options say which database, and how long things may take.
type Options struct {
	// ConnectionString is pgx's: "host=… user=… dbname=…", or a URL. What it
	// doesn't say, the PG… variables of the environment do.
	ConnectionString string

	// PasswordFile is read at each connection; empty for the password of the
	// connection string, of the environment or of a pgpass file.
	PasswordFile string

	// MaxConnections to have open at a time.
	MaxConnections int

	// Timeout of each call, the wait for a connection included.
	Timeout time.Duration

	// TTL is how long a claim is held after Keep.
	TTL time.Duration

	// Hold is how long a claim is held that nobody ends, because its server died.
	// It must be longer than an attestation may take: Keep fails after it.
	Hold time.Duration
}

// DB is a database with claims and first uses. It is safe for concurrent use.
type DB struct {
	pool    *pgxpool.Pool
	opts    Options
	ready   atomic.Bool   // the tables are there
	prepare chan struct{} // holds one token, for whoever makes them
}

// Parse checks a connection string. Its error shows nothing of it: there may be a
// password in it.
func Parse(connectionString string) (*pgxpool.Config, error) {
	config, err := pgxpool.ParseConfig(connectionString)
	if err != nil {
		return nil, errors.New(`is no PostgreSQL connection string, such as "host=db.example.org user=gatehouse dbname=gatehouse sslmode=verify-full", or names a file that can't be read`)
	}
	return config, nil
}

// Open returns the database without asking it anything: it may come up later.
// Close it.
func Open(opts Options) (*DB, error) {
	config, err := Parse(opts.ConnectionString)
	if err != nil {
		return nil, fmt.Errorf("postgres: connection string: %w", err)
	}
	config.MaxConns = int32(max(1, min(opts.MaxConnections, maxConnections)))
	config.MinConns, config.MinIdleConns = 0, 0
	if config.ConnConfig.ConnectTimeout <= 0 || config.ConnConfig.ConnectTimeout > opts.Timeout {
		config.ConnConfig.ConnectTimeout = opts.Timeout
	}
	config.ConnConfig.BuildFrontend = newFrontend
	defaults := map[string]string{
		"application_name": "gatehouse",
		// A statement that nobody waits for any more must not hold locks.
		"statement_timeout": strconv.FormatInt(opts.Timeout.Milliseconds(), 10),
		// Take's statements each have to see what was committed before them.
		"default_transaction_isolation": "read committed",
	}
	for name, value := range defaults {
		config.ConnConfig.RuntimeParams[name] = value
	}
	if opts.PasswordFile != "" {
		config.BeforeConnect = func(_ context.Context, conn *pgx.ConnConfig) error {
			password, err := ReadPassword(opts.PasswordFile)
			conn.Password = password
			return err
		}
	}
	pool, err := pgxpool.NewWithConfig(context.Background(), config)
	if err != nil {
		return nil, fmt.Errorf("postgres: %w", err)
	}
	db := &DB{pool: pool, opts: opts, prepare: make(chan struct{}, 1)}
	db.prepare <- struct{}{}
	return db, nil
}

// newFrontend reads what the server says.
func newFrontend(r io.Reader, w io.Writer) *pgproto3.Frontend {
	f := pgproto3.NewFrontend(r, w)
	f.SetMaxBodyLen(maxMessageBytes)
	return f
}

// ReadPassword reads a password file: one line, whose end does not count. It shows
// nothing of it in errors.
func ReadPassword(path string) (string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return "", fmt.Errorf("password file: %w", err)
	}
	if !info.Mode().IsRegular() || info.Size() > maxPasswordBytes {
		return "", fmt.Errorf("password file: %s is not a file of one short line", path)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("password file: %w", err)
	}
	password := strings.TrimRight(string(text), "\r\n")
	if password == "" || strings.ContainsAny(password, "\r\n\x00") {
		return "", fmt.Errorf("password file: %s is not a file of one short line", path)
	}
	return password, nil
}

// Close closes the connections, those in use when they are done with.
func (db *DB) Close() { db.pool.Close() }

// within bounds a call.
func (db *DB) within(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, db.opts.Timeout)
}

// failed explains an error of the database, for whoever has to repair it.
func (db *DB) failed(doing string, err error) error {
	if err == nil {
		return nil
	}
	if refused, ok := errors.AsType[*pgconn.PgError](err); ok {
		switch refused.Code {
		case readOnly:
			// Another server is the primary now: find it, and not in an hour only,
			// when connections end by themselves.
			db.pool.Reset()
		case undefinedTable:
			db.ready.Store(false) // they may have been dropped: look again
		}
	}
	if errors.Is(err, context.DeadlineExceeded) {
		err = fmt.Errorf("no answer within %v: %w", db.opts.Timeout, err)
	}
	return fmt.Errorf("postgres: %s: %w", doing, err)
}

// Codes of PostgreSQL's errors.
const (
	readOnly       = "25006" // read_only_sql_transaction
	undefinedTable = "42P01"
)

// micros is a duration as statements take it.
func micros(d time.Duration) int64 { return d.Microseconds() }
