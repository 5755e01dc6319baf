package azuremsi_test

import (
	"context"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/spire-gatehouse/gatehouse/evidence/azuremsi"
	"github.com/spire-gatehouse/gatehouse/internal/testauthority/entra"
)

// FuzzVerify signs whatever header and claims it is given: what is then let in
// must have the form that policy and paths rely on.
func FuzzVerify(f *testing.F) {
	authority := entra.New(keys().a)
	good := authority.Issue(keys().a, vm(), now)
	for _, token := range []entra.Token{
		good, good.With("aud", []string{"a"}), good.With("sub", "a/b"), good.With("exp", nil), good.WithHeader("b64", false),
		good.With("xms_mirid", identityID).With("xms_az_rid", instanceID), good.With("ver", "2.0"),
	} {
		f.Add([]byte(toJSON(f, token.Header)), []byte(toJSON(f, token.Claims)), []byte(nil))
	}
	f.Add([]byte(nil), []byte(nil), payload(f, good.Sign()))
	c := newCollector(f, authority)
	for _, version := range []string{"1.0", "2.0"} { // with both key sets there
		m := vm()
		m.Version = version
		if _, problem := verify(f, c, authority.Issue(keys().a, m, now).Sign()); problem != "" {
			f.Fatal(problem)
		}
	}
	f.Fuzz(func(t *testing.T, header, claims, raw []byte) {
		data := raw
		if len(data) == 0 {
			data = payload(t, entra.SignRaw(keys().a, "RS256", header, claims))
		}
		// For an unknown key one would wait.
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		defer cancel()
		ev, err := c.Verify(ctx, data)
		if (ev == nil) != (err != nil) {
			t.Fatalf("got %v, %v", ev, err)
		}
		if ev == nil {
			return
		}
		got := ev.Claims().(azuremsi.Claims)
		if got.TenantID == "" || got.PrincipalID == "" || got.Audience == "" || got.ExpiresAt.Before(now.Add(-leeway)) ||
			got.Algorithm != "RS256" || got.KeyID != "key-a" || strings.ContainsAny(got.PrincipalID, "/%?#") {
			t.Errorf("accepted %+v", got)
		}
		if !strings.HasPrefix(ev.Identity(), "azure/"+got.TenantID+"/") {
			t.Errorf("identity %q", ev.Identity())
		}
		again, problem := verifyPayload(t, c, data)
		if problem != "" || !reflect.DeepEqual(again.Claims(), ev.Claims()) {
			t.Errorf("a second time: %v, %s", again, problem)
		}
	})
}
