package e2e_test

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/spire-gatehouse/gatehouse/e2e/spire"
	"github.com/spire-gatehouse/gatehouse/e2e/standin/azure"
	"github.com/spire-gatehouse/gatehouse/internal/testauthority/entra"
)

// keysInterval is the time in which Gatehouse asks an authority for its keys at
// most once, whatever tokens come; keysPatience that after which it asks once more
// when there is no answer yet.
const (
	keysInterval = 5 * time.Second
	keysPatience = 2 * time.Second
)

// slowAnswers is how often keys may have been asked for since then because an
// answer took long, as on a machine that is busy with other things.
func slowAnswers(began time.Time) int { return int(time.Since(began) / keysPatience) }

// attestAll sends payloads to the server, many at a time, and returns the errors
// by payload.
func (s azureScene) attestAll(t *testing.T, senders int, count int, payload func(int) []byte) []error {
	t.Helper()
	errs := make([]error, count)
	var next atomic.Int64
	var all sync.WaitGroup
	for range senders {
		client, err := s.server.NewClient()
		if err != nil {
			t.Fatal(err)
		}
		all.Go(func() {
			defer client.Close()
			for {
				i := int(next.Add(1)) - 1
				if i >= count {
					return
				}
				_, errs[i] = client.Attest(t.Context(), "azure_msi", payload(i))
			}
		})
	}
	all.Wait()
	return errs
}

// azureNumbered is the principal of a machine in a fleet.
func azureNumbered(i int) string { return fmt.Sprintf("00000000-0000-4000-8000-%012x", i) }

// TestAzureUnannouncedRotation changes the signing key while a fleet attests: the
// new key signs from the instant that it is published, so that nobody has seen it
// before the first token. Every machine gets in.
func TestAzureUnannouncedRotation(t *testing.T) {
	t.Parallel()
	const machines, rotateAt = 200, 100
	s := startAzure(t, azureBare)
	first, second := s.Key(), azure.NewKey("second")
	var rotate sync.Once
	var ofSecond atomic.Int64
	began := time.Now()
	errs := s.attestAll(t, 16, machines, func(i int) []byte {
		if i >= rotateAt {
			rotate.Do(func() { s.Rotate(second, first) })
		}
		token := s.Token(s.VM(fmt.Sprintf("web-%d", i), azureNumbered(i)).Metadata.Identity)
		if token.Key.ID == second.ID {
			ofSecond.Add(1)
		}
		return azurePayload(t, token)
	})
	slow := slowAnswers(began)
	for i, err := range errs {
		if err != nil {
			t.Errorf("machine %d: %v", i, err)
		}
	}
	if got := ofSecond.Load(); got < machines-rotateAt {
		t.Errorf("only %d tokens of the new key", got)
	}
	if got := len(s.agents(t)); got != machines {
		t.Errorf("%d agents, want %d", got, machines)
	}
	// Once at the first token, once when the new key appears.
	if got, most := s.Authority.Requests(entra.KeysV1), 2+slow; got < 2 || got > most {
		t.Errorf("the keys were asked for %d times, want 2, and no more than %d", got, most)
	}
}

// TestAzureAuthorityDown has a server go on with the keys that it has, and one that
// has none yet tell nodes to try again.
func TestAzureAuthorityDown(t *testing.T) {
	t.Parallel()
	s := startAzure(t, azureBare)
	token := func(i int) entra.Token {
		return s.Token(s.VM(fmt.Sprintf("web-%d", i), azureNumbered(i)).Metadata.Identity)
	}
	if _, err := s.attest(t, token(1)); err != nil {
		t.Fatal(err)
	}
	s.Authority.Stop()
	if _, err := s.attest(t, token(2)); err != nil {
		t.Errorf("with keys from before: %v", err)
	}
	fresh := startAzureServer(t, s.Azure, azureBlock(t, azureBare), nil)
	_, err := fresh.attest(t, token(3))
	if status.Code(err) != codes.Unavailable {
		t.Fatalf("without keys: got %v, want Unavailable", err)
	}
	if entry := fresh.refusal(t, status.Convert(err).Message()); entry.Field("outcome") != "unavailable" || !strings.Contains(entry.Field("reason"), "503") {
		t.Errorf("the server's log says %v", entry.Fields)
	}
}

// TestAzureUnknownKeys floods the server with tokens of keys that nobody knows.
// The authority is asked once in an interval, and an honest machine gets in
// meanwhile.
func TestAzureUnknownKeys(t *testing.T) {
	t.Parallel()
	const tokens = 1000
	s := startAzure(t, azureBare)
	honest := s.Token(s.VM("Web-1", azurePrincipal).Metadata.Identity)
	forger := entra.NewKey("forger")
	began := time.Now()
	var meanwhile error
	errs := s.attestAll(t, 300, tokens, func(i int) []byte {
		if i == tokens/2 {
			_, meanwhile = s.attest(t, honest)
		}
		token := s.Token(s.VM("Web-1", azureNumbered(i)).Metadata.Identity).WithHeader("kid", fmt.Sprintf("unknown-%d", i))
		token.Key = forger
		return azurePayload(t, token)
	})
	intervals, slow := int(time.Since(began)/keysInterval)+1, slowAnswers(began)
	if meanwhile != nil {
		t.Errorf("the honest machine: %v", meanwhile)
	}
	told := map[codes.Code]int{}
	for _, err := range errs {
		told[status.Code(err)]++
	}
	// Those that may yet be good when the authority can be asked again, and those
	// who waited for it in vain.
	if told[codes.InvalidArgument] == 0 || told[codes.InvalidArgument]+told[codes.Unavailable] != tokens {
		t.Errorf("refused with %v", told)
	}
	asked := s.Authority.Requests(entra.KeysV1)
	if asked > max(intervals, slow)+1 { // the first token of all asks, too
		t.Errorf("the keys were asked for %d times in %d intervals", asked, intervals)
	}
	t.Logf("%d tokens in %s: keys asked for %d times, refused with %v", tokens, time.Since(began).Round(time.Millisecond), asked, told)
	want := spire.Agent{ID: firstAzureAgent().ID}
	if got := s.agents(t); len(got) != 1 || got[0].ID != want.ID {
		t.Errorf("agents: %+v", got)
	}
}
