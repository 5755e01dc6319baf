package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/spire-gatehouse/gatehouse/internal/testpostgres"
	"github.com/spire-gatehouse/gatehouse/internal/testwait"
	"github.com/spire-gatehouse/gatehouse/tofu"
	"github.com/spire-gatehouse/gatehouse/tofu/postgres"
	"github.com/spire-gatehouse/gatehouse/tofu/tofutest"
)

// patient are options under which nothing runs out.
func patient(connectionString string) postgres.Options {
	return postgres.Options{ConnectionString: connectionString, MaxConnections: 10, Timeout: time.Minute, TTL: time.Hour, Hold: time.Hour}
}

func open(t *testing.T, opts postgres.Options) *postgres.DB {
	t.Helper()
	db, err := postgres.Open(opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	return db
}

func TestContract(t *testing.T) {
	t.Parallel()
	server := testpostgres.Start(t)
	t.Run("one server", func(t *testing.T) {
		tofutest.Contract(t, func(t *testing.T) tofu.Claims { return open(t, patient(server.Database(t))) })
	})
	t.Run("with a memory of each server's own", func(t *testing.T) {
		tofutest.Contract(t, func(t *testing.T) tofu.Claims {
			opts := patient(server.Database(t))
			return &byTurns{claims: []tofu.Claims{
				tofu.Both(tofu.NewMemory(nil).Claims(time.Hour), open(t, opts)),
				tofu.Both(tofu.NewMemory(nil).Claims(time.Hour), open(t, opts)),
			}}
		})
	})
}

// byTurns asks one after another.
type byTurns struct {
	claims []tofu.Claims
	mu     sync.Mutex
	next   int
}

func (b *byTurns) turn() tofu.Claims {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.next++
	return b.claims[b.next%len(b.claims)]
}

func (b *byTurns) Take(ctx context.Context, node tofu.Node) (tofu.Claim, error) {
	return b.turn().Take(ctx, node)
}

func (b *byTurns) Look(ctx context.Context, node tofu.Node) (tofu.Claim, error) {
	return b.turn().Look(ctx, node)
}

const (
	// What the clock does in time, to all claims that there are.
	timePasses = "UPDATE gatehouse_claims SET expires = clock_timestamp()"
	countRows  = "SELECT count(*) FROM gatehouse_claims"
)

func TestClaimsRunOut(t *testing.T) {
	t.Parallel()
	server := testpostgres.Start(t)
	for name, test := range map[string]func(t *testing.T, c tofu.Claims, later func()){
		"a claim that nobody ended": func(t *testing.T, c tofu.Claims, later func()) {
			tofutest.Take(t, c, true, "agent", "machine")
			later()
			tofutest.Take(t, c, true, "agent", "machine")
		},
		"a claim that was kept": func(t *testing.T, c tofu.Claims, later func()) {
			tofutest.Keep(t, tofutest.Take(t, c, true, "agent", "machine"))
			later()
			tofutest.Take(t, c, true, "agent", "machine")
		},
		"two claims in the way of one": func(t *testing.T, c tofu.Claims, later func()) {
			tofutest.Take(t, c, true, "agent", "other machine")
			tofutest.Take(t, c, true, "other agent", "machine")
			later()
			tofutest.Take(t, c, true, "agent", "machine")
		},
		"keeping it then": func(t *testing.T, c tofu.Claims, later func()) {
			claim := tofutest.Take(t, c, true, "agent", "machine")
			later()
			if err := claim.Keep(t.Context(), netip.Addr{}); !errors.Is(err, tofu.ErrLost) {
				t.Errorf("got %v, want ErrLost", err)
			}
			if first := tofutest.Take(t, c, true, "agent", "machine").First(); first != nil {
				t.Errorf("the first use of a machine that was not let in is remembered: %+v", first)
			}
		},
		"keeping it when another has it": func(t *testing.T, c tofu.Claims, later func()) {
			claim := tofutest.Take(t, c, true, "agent", "machine")
			later()
			other := tofutest.Take(t, c, true, "agent", "machine")
			if err := claim.Keep(t.Context(), netip.Addr{}); !errors.Is(err, tofu.ErrLost) {
				t.Errorf("got %v, want ErrLost", err)
			}
			tofutest.Keep(t, other)
		},
		"releasing it when another has it": func(t *testing.T, c tofu.Claims, later func()) {
			claim := tofutest.Take(t, c, true, "agent", "machine")
			later()
			tofutest.Take(t, c, true, "agent", "machine")
			if err := claim.Release(t.Context()); err != nil {
				t.Error(err)
			}
			tofutest.Take(t, c, false, "agent", "machine")
		},
	} {
		t.Run(name, func(t *testing.T) {
			database := server.Database(t)
			test(t, open(t, patient(database)), func() { server.Exec(t, database, timePasses) })
		})
	}
}

// The database's clock ends a claim, with nobody's help.
func TestClaimsRunOutByThemselves(t *testing.T) {
	t.Parallel()
	opts := patient(testpostgres.Start(t).Database(t))
	for name, lasting := range map[string]struct{ ttl, hold time.Duration }{
		"one that was kept":         {100 * time.Millisecond, time.Hour},
		"one whose server has died": {time.Hour, 100 * time.Millisecond},
	} {
		opts.TTL, opts.Hold = lasting.ttl, lasting.hold
		c := open(t, opts)
		began := time.Now()
		claim := tofutest.Take(t, c, true, "agent", "machine")
		if opts.TTL < opts.Hold {
			tofutest.Keep(t, claim)
		}
		again, err := c.Take(t.Context(), tofu.Node{AgentID: "agent", Machine: "machine"})
		if err != nil {
			t.Fatal(err)
		}
		if again.Held() {
			// Not so soon, unless this machine stood still for as long as the claim lasts.
			if took := time.Since(began); took < min(opts.TTL, opts.Hold) {
				t.Errorf("%s is over after %v", name, took)
			}
			if err := again.Release(t.Context()); err != nil {
				t.Error(err)
			}
		}
		claim = until(t, func() tofu.Claim {
			claim, err := c.Take(t.Context(), tofu.Node{AgentID: "agent", Machine: "machine"})
			if err != nil || !claim.Held() {
				return nil
			}
			return claim
		})
		if err := claim.Release(t.Context()); err != nil {
			t.Error(err)
		}
	}
}

// until asks until there is an answer.
func until[T comparable](t *testing.T, ask func() T) T {
	t.Helper()
	var answer, none T
	testwait.Until(t, func() string {
		if answer = ask(); answer == none {
			return "no answer"
		}
		return ""
	})
	return answer
}

// What is over does not pile up, and no one claim has all of it to clear away.
func TestSweeping(t *testing.T) {
	t.Parallel()
	server := testpostgres.Start(t)
	database := server.Database(t)
	c := open(t, patient(database))
	if err := c.Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	server.Exec(t, database, "INSERT INTO gatehouse_claims SELECT gen_random_uuid(), 'agent ' || i, 'machine ' || i, true, clock_timestamp() FROM generate_series(1, 50) i")
	for i, want := range []int{31, 12, 3, 4} {
		tofutest.Take(t, c, true, fmt.Sprint("new agent ", i), fmt.Sprint("new machine ", i))
		if got := server.Count(t, database, countRows); got != want {
			t.Errorf("after claim %d there are %d rows, want %d", i+1, got, want)
		}
	}
}
