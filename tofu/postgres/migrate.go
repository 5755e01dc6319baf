package postgres

import (
	"context"
	"embed"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

//go:embed migrations/*.sql
var migrationFiles embed.FS

// migrations make the tables, one after another. A server of the release before
// goes on with the tables while others are renewed: what it needs must stay.
var migrations = []string{"001_claims.sql"}

// migrationLock is the key of the advisory lock that keeps servers that start
// together from making the tables together.
const migrationLock = 0x67617465 // "gate"

// Ready makes the tables, or brings them up to date, unless they are. Once they
// are, no privilege to create any is needed.
func (db *DB) Ready(ctx context.Context) error {
	if db.ready.Load() {
		return nil
	}
	ctx, cancel := db.within(ctx)
	defer cancel()
	select {
	case <-db.prepare:
		defer func() { db.prepare <- struct{}{} }()
	case <-ctx.Done():
		return db.failed("look for the tables", ctx.Err())
	}
	if db.ready.Load() {
		return nil // another call made them meanwhile
	}
	if err := db.migrate(ctx); err != nil {
		return db.failed("make the tables", err)
	}
	db.ready.Store(true)
	return nil
}

func (db *DB) migrate(ctx context.Context) error {
	version, err := schemaVersion(ctx, db.pool)
	switch {
	case err != nil || version == len(migrations):
		return err
	case version > len(migrations):
		return fmt.Errorf("they are of version %d, made by a newer Gatehouse; this one knows version %d: upgrade it", version, len(migrations))
	}
	return pgx.BeginFunc(ctx, db.pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "SELECT pg_advisory_xact_lock($1)", int64(migrationLock)); err != nil {
			return err
		}
		// Not by schemaVersion alone: within a transaction, PostgreSQL may go on
		// believing that there is no such table.
		if _, err := tx.Exec(ctx, "CREATE TABLE IF NOT EXISTS gatehouse_migrations (version integer PRIMARY KEY, applied timestamptz NOT NULL DEFAULT now())"); err != nil {
			return err
		}
		var version int
		if err := tx.QueryRow(ctx, lastMigration).Scan(&version); err != nil {
			return err
		}
		for ; version < len(migrations); version++ {
			name := migrations[version]
			statements, err := migrationFiles.ReadFile("migrations/" + name)
			if err != nil {
				return err
			}
			if _, err := tx.Exec(ctx, string(statements)); err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
			if _, err := tx.Exec(ctx, "INSERT INTO gatehouse_migrations (version) VALUES ($1)", version+1); err != nil {
				return err
			}
		}
		return nil
	})
}

const lastMigration = "SELECT coalesce(max(version), 0) FROM gatehouse_migrations"

// schemaVersion is how many migrations were applied; 0 for no tables.
func schemaVersion(ctx context.Context, pool *pgxpool.Pool) (int, error) {
	var there bool
	if err := pool.QueryRow(ctx, "SELECT to_regclass('gatehouse_migrations') IS NOT NULL").Scan(&there); err != nil || !there {
		return 0, err
	}
	var version int
	err := pool.QueryRow(ctx, lastMigration).Scan(&version)
	return version, err
}
