package postgres

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/spire-gatehouse/gatehouse/tofu"
)

var _ tofu.Claims = (*DB)(nil)

// Take's statements go to the database together, and are one transaction there.
// They can't wait for each other's locks in a circle: only the first two wait,
// the first for rows in one order, and the second holds nothing that a first could
// want but rows that are to go.
const (
	// A claim on these names whose time is over is in nobody's way.
	clearWay = `
		DELETE FROM gatehouse_claims WHERE owner IN (
			SELECT owner FROM gatehouse_claims
			WHERE (agent_id = $1 OR machine = $2) AND expires <= clock_timestamp()
			ORDER BY owner FOR UPDATE)`

	// The claim: both names are unique, so that there is a row, or none. Where
	// another attestation is inserting one, this waits until that is decided.
	take = `
		INSERT INTO gatehouse_claims (owner, agent_id, machine, expires)
		VALUES ($1, $2, $3, clock_timestamp() + $4 * interval '1 microsecond')
		ON CONFLICT DO NOTHING`

	// A statement of its own, to see what was committed while the one before waited.
	recall = `
		SELECT agent_id, used, peer_ip, uses FROM gatehouse_first_uses WHERE machine = $1`

	// Each claim sweeps up more than itself, so that the table doesn't grow, and no
	// more than a few, so that none pays for all.
	sweep = `
		DELETE FROM gatehouse_claims WHERE owner IN (
			SELECT owner FROM gatehouse_claims WHERE expires <= clock_timestamp()
			ORDER BY expires LIMIT 20 FOR UPDATE SKIP LOCKED)`
)

// Take implements tofu.Claims.
func (db *DB) Take(ctx context.Context, node tofu.Node) (tofu.Claim, error) {
	if err := db.Ready(ctx); err != nil {
		return nil, err
	}
	ctx, cancel := db.within(ctx)
	defer cancel()
	c := &claim{db: db, node: node, owner: uuid.New()}
	batch := &pgx.Batch{}
	batch.Queue(clearWay, node.AgentID, node.Machine)
	batch.Queue(take, c.owner, node.AgentID, node.Machine, micros(db.opts.Hold))
	batch.Queue(recall, node.Machine)
	batch.Queue(sweep)
	results := db.pool.SendBatch(ctx, batch)
	err := c.read(results)
	// The transaction is committed when the last of its results has come: an error
	// here means that nothing is claimed.
	if err = errors.Join(err, results.Close()); err != nil {
		return nil, db.failed("claim "+node.Machine, err)
	}
	return c, nil
}

// Look implements tofu.Claims.
func (db *DB) Look(ctx context.Context, node tofu.Node) (tofu.Claim, error) {
	if err := db.Ready(ctx); err != nil {
		return nil, err
	}
	ctx, cancel := db.within(ctx)
	defer cancel()
	c := &claim{db: db, node: node}
	rows, err := db.pool.Query(ctx, recall, node.Machine)
	if err == nil {
		err = c.recalled(rows)
	}
	if err != nil {
		return nil, db.failed("look for "+node.Machine, err)
	}
	return c, nil
}

// read takes the results of Take.
func (c *claim) read(results pgx.BatchResults) error {
	if _, err := results.Exec(); err != nil {
		return err
	}
	taken, err := results.Exec()
	if err != nil {
		return err
	}
	c.held = taken.RowsAffected() == 1
	rows, err := results.Query()
	if err != nil {
		return err
	}
	if err := c.recalled(rows); err != nil {
		return err
	}
	_, err = results.Exec()
	return err
}

// recalled takes the first use, if there is one.
func (c *claim) recalled(rows pgx.Rows) error {
	first, err := pgx.CollectOneRow(rows, scanFirst)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return nil
	case err != nil:
		return err
	}
	c.first = &first
	return nil
}

func scanFirst(row pgx.CollectableRow) (tofu.First, error) {
	var first tofu.First
	var used time.Time
	var peer string
	if err := row.Scan(&first.AgentID, &used, &peer, &first.Uses); err != nil {
		return tofu.First{}, err
	}
	first.Time = used.UTC()
	var err error
	if peer != "" {
		first.PeerIP, err = netip.ParseAddr(peer)
	}
	return first, err
}

// claim is one attestation's row, or the lack of one.
type claim struct {
	db    *DB
	node  tofu.Node
	owner uuid.UUID
	held  bool
	over  bool
	first *tofu.First
}

func (c *claim) Held() bool         { return c.held }
func (c *claim) First() *tofu.First { return c.first }

// keep extends the claim, if it still is this attestation's, and remembers the
// first use, if what is remembered still is what the decision rested on: nothing,
// or that agent. A machine that is let in as another agent is that one from now on.
// Who was let in without a claim, as policy may, has none to extend.
const keep = `
	WITH mine AS (
		UPDATE gatehouse_claims
		SET kept = true, expires = clock_timestamp() + $2 * interval '1 microsecond'
		WHERE owner = $1 AND NOT kept AND expires > clock_timestamp()
		RETURNING 1
	), remembered AS (
		INSERT INTO gatehouse_first_uses AS f (machine, agent_id, used, peer_ip, uses, last_used)
		SELECT $3, $4, clock_timestamp(), $5, 1, clock_timestamp()
		WHERE NOT $6 OR EXISTS (SELECT FROM mine)
		ON CONFLICT (machine) DO UPDATE SET
			agent_id  = excluded.agent_id,
			used      = CASE WHEN f.agent_id = excluded.agent_id THEN f.used ELSE excluded.used END,
			peer_ip   = CASE WHEN f.agent_id = excluded.agent_id THEN f.peer_ip ELSE excluded.peer_ip END,
			uses      = CASE WHEN f.agent_id = excluded.agent_id THEN f.uses + 1 ELSE 1 END,
			last_used = excluded.last_used
		WHERE f.agent_id = $7
		RETURNING 1
	)
	SELECT EXISTS (SELECT FROM mine), EXISTS (SELECT FROM remembered)`

// Keep implements tofu.Claim.
func (c *claim) Keep(ctx context.Context, peer netip.Addr) error {
	if c.over {
		return nil
	}
	ctx, cancel := c.db.within(ctx)
	defer cancel()
	seen := ""
	if c.first != nil {
		seen = c.first.AgentID
	}
	ip := ""
	if peer.IsValid() {
		ip = peer.String()
	}
	var mine, remembered bool
	err := c.db.pool.QueryRow(ctx, keep, c.owner, micros(c.db.opts.TTL), c.node.Machine, c.node.AgentID, ip, c.held, seen).
		Scan(&mine, &remembered)
	switch {
	case err != nil:
		return c.db.failed("remember the first use of "+c.node.Machine, err)
	case c.held && !mine:
		return fmt.Errorf("postgres: %s: %w: it took longer than %v, or somebody removed it", c.node.Machine, tofu.ErrLost, c.db.opts.Hold)
	case !remembered:
		return fmt.Errorf("postgres: %s: %w: the machine has become another agent meanwhile", c.node.Machine, tofu.ErrLost)
	}
	c.over = true
	return nil
}

// Release implements tofu.Claim.
func (c *claim) Release(ctx context.Context) error {
	if c.over || !c.held {
		return nil
	}
	c.over = true
	ctx, cancel := c.db.within(context.WithoutCancel(ctx))
	defer cancel()
	_, err := c.db.pool.Exec(ctx, "DELETE FROM gatehouse_claims WHERE owner = $1", c.owner)
	return c.db.failed("release "+c.node.Machine, err)
}
