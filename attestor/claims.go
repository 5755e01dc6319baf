package attestor

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spire-gatehouse/gatehouse/attestor/plugindata"
	"github.com/spire-gatehouse/gatehouse/tofu"
	"github.com/spire-gatehouse/gatehouse/tofu/postgres"
)

// claimStore holds the plugin's claims while configurations come and go. It is for
// one goroutine at a time; the claims that it gives out are for all.
type claimStore struct {
	// memory outlives every configuration, and is asked whatever else is: so two
	// attestations at this server exclude each other even if one began before the
	// database was configured, and the other after.
	memory *tofu.Memory

	// shared is the database in use, of those options; nil for none.
	shared  *postgres.DB
	options postgres.Options

	// retired are databases that attestations may still use.
	retired []*postgres.DB
}

func newClaimStore(now func() time.Time) *claimStore {
	return &claimStore{memory: tofu.NewMemory(now)}
}

// openedClaims are claims of a configuration that is not in force yet.
type openedClaims struct {
	tofu.Claims
	shared  *postgres.DB // nil for none
	options postgres.Options
}

// open opens the claims of a configuration, and changes nothing of what is in use: who
// comes to drop the configuration drops them.
func (s *claimStore) open(c claimsConfig, cloudTimeout time.Duration) (openedClaims, error) {
	near := s.memory.Claims(c.TTL)
	if c.Backend != claimsInPostgres {
		return openedClaims{Claims: near}, nil
	}
	next := openedClaims{shared: s.shared, options: c.options(cloudTimeout)}
	if s.shared == nil || s.options != next.options {
		var err error
		if next.shared, err = postgres.Open(next.options); err != nil {
			return openedClaims{}, fmt.Errorf("claims: %w", err)
		}
	}
	next.Claims = tofu.Both(near, next.shared)
	return next, nil
}

// use puts claims in use. A database that is no longer in use stays open for as long as
// a claim there may be held by an attestation.
func (s *claimStore) use(next openedClaims) {
	if s.shared == next.shared {
		return
	}
	s.retire()
	s.shared, s.options = next.shared, next.options
}

// drop closes what was opened and not put in use.
func (s *claimStore) drop(next openedClaims) {
	if next.shared != nil && next.shared != s.shared {
		next.shared.Close()
	}
}

func (s *claimStore) retire() {
	if s.shared == nil {
		return
	}
	s.retired = append(s.retired, s.shared)
	time.AfterFunc(s.options.Hold, s.shared.Close)
	s.shared = nil
}

// ready asks the database for its tables, if there is a database, so that what is
// wrong with it is known before a node asks.
func (s *claimStore) ready(ctx context.Context) error {
	if s.shared == nil {
		return nil
	}
	return s.shared.Ready(ctx)
}

// close closes every database.
func (s *claimStore) close() {
	s.retire()
	for _, db := range s.retired {
		db.Close()
	}
}

// ClaimsDatabase is the database that plugin_data has claims held in, for commands
// that look into it; false when it has them in memory. What else is wrong with the
// text is not told.
func ClaimsDatabase(pluginData string) (postgres.Options, bool, error) {
	o := plugindata.Parse(pluginData)
	config := buildClaims(o)
	var wrong []string
	for _, problem := range o.Problems() {
		// A problem without a key is of a text that can't be read at all.
		if problem.Key == "" || problem.Key == "claims" || strings.HasPrefix(problem.Key, "claims.") {
			wrong = append(wrong, problem.String())
		}
	}
	if len(wrong) > 0 {
		return postgres.Options{}, false, errors.New(strings.Join(wrong, "; "))
	}
	return config.options(defaultCloudTimeout), config.Backend == claimsInPostgres, nil
}
