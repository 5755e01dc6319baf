package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
)

// Records are what the database holds about nodes, for people to look at.
type Records struct {
	Claims    []Held     `json:"claims"`
	FirstUses []FirstUse `json:"first_uses"`

	// More says that there is more than the limit let through.
	More bool `json:"more"`
}

// Held is a claim that has not run out.
type Held struct {
	Machine string    `json:"machine"`
	AgentID string    `json:"agent_id"`
	Kept    bool      `json:"kept"` // after an accept; otherwise the attestation runs
	Expires time.Time `json:"expires"`
}

// FirstUse is what is remembered of a machine.
type FirstUse struct {
	Machine  string    `json:"machine"`
	AgentID  string    `json:"agent_id"`
	Time     time.Time `json:"time"`
	PeerIP   string    `json:"peer_ip,omitempty"`
	Uses     int64     `json:"uses"`
	LastTime time.Time `json:"last_time"`
}

const (
	// Both lists are of the machines and agents that $1 names; of all if it is empty.
	listClaims = `
		SELECT machine, agent_id, kept, expires FROM gatehouse_claims
		WHERE expires > clock_timestamp() AND (cardinality($1::text[]) = 0 OR machine = ANY($1) OR agent_id = ANY($1))
		ORDER BY machine LIMIT $2`
	listFirstUses = `
		SELECT machine, agent_id, used, peer_ip, uses, last_used FROM gatehouse_first_uses
		WHERE cardinality($1::text[]) = 0 OR machine = ANY($1) OR agent_id = ANY($1)
		ORDER BY machine LIMIT $2`
	forget = `
		DELETE FROM gatehouse_first_uses WHERE machine = ANY($1::text[]) OR agent_id = ANY($1)
		RETURNING machine, agent_id, used, peer_ip, uses, last_used`
	forgetUnused = `
		DELETE FROM gatehouse_first_uses WHERE last_used < clock_timestamp() - $1 * interval '1 microsecond'
		RETURNING machine, agent_id, used, peer_ip, uses, last_used`
)

// List returns what there is about the machines and agents of these names, or
// about all if there are no names; at most limit of each sort.
func (db *DB) List(ctx context.Context, names []string, limit int) (Records, error) {
	if err := db.Ready(ctx); err != nil {
		return Records{}, err
	}
	ctx, cancel := db.within(ctx)
	defer cancel()
	names = append([]string{}, names...) // an empty array, not NULL
	batch := &pgx.Batch{}
	batch.Queue(listClaims, names, limit+1)
	batch.Queue(listFirstUses, names, limit+1)
	results := db.pool.SendBatch(ctx, batch)
	defer results.Close()
	var records Records
	var err error
	if records.Claims, err = collect(results, scanHeld); err != nil {
		return Records{}, db.failed("list claims", err)
	}
	if records.FirstUses, err = collect(results, scanFirstUse); err != nil {
		return Records{}, db.failed("list first uses", err)
	}
	if len(records.Claims) > limit {
		records.Claims, records.More = records.Claims[:limit], true
	}
	if len(records.FirstUses) > limit {
		records.FirstUses, records.More = records.FirstUses[:limit], true
	}
	return records, nil
}

// Forget forgets the first uses of the machines and agents of these names, and
// returns what it has forgotten. Claims it leaves alone: they run out.
func (db *DB) Forget(ctx context.Context, names []string) ([]FirstUse, error) {
	return db.delete(ctx, forget, append([]string{}, names...))
}

// ForgetUnused forgets the machines that were not let in for that long.
func (db *DB) ForgetUnused(ctx context.Context, age time.Duration) ([]FirstUse, error) {
	return db.delete(ctx, forgetUnused, micros(age))
}

func (db *DB) delete(ctx context.Context, statement string, args ...any) ([]FirstUse, error) {
	if err := db.Ready(ctx); err != nil {
		return nil, err
	}
	ctx, cancel := db.within(ctx)
	defer cancel()
	rows, err := db.pool.Query(ctx, statement, args...)
	if err != nil {
		return nil, db.failed("forget first uses", err)
	}
	forgotten, err := pgx.CollectRows(rows, scanFirstUse)
	return forgotten, db.failed("forget first uses", err)
}

func collect[T any](results pgx.BatchResults, scan pgx.RowToFunc[T]) ([]T, error) {
	rows, err := results.Query()
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, scan)
}

func scanHeld(row pgx.CollectableRow) (Held, error) {
	var h Held
	err := row.Scan(&h.Machine, &h.AgentID, &h.Kept, &h.Expires)
	h.Expires = h.Expires.UTC()
	return h, err
}

func scanFirstUse(row pgx.CollectableRow) (FirstUse, error) {
	var f FirstUse
	err := row.Scan(&f.Machine, &f.AgentID, &f.Time, &f.PeerIP, &f.Uses, &f.LastTime)
	f.Time, f.LastTime = f.Time.UTC(), f.LastTime.UTC()
	return f, err
}
