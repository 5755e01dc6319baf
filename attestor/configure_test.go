package attestor

import (
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	configv1 "github.com/spiffe/spire-plugin-sdk/proto/spire/service/common/config/v1"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

func TestNotConfigured(t *testing.T) {
	store := &agentStore{}
	p := serve(t, newCloud(), store)
	_, err := p.attest(t, payload(t, nil))
	if status.Code(err) != codes.FailedPrecondition {
		t.Fatalf("got %v", err)
	}
}

func TestConfigure(t *testing.T) {
	store := &agentStore{}
	p := serve(t, newCloud(), store)

	t.Run("every problem at once", func(t *testing.T) {
		_, err := p.config.Configure(t.Context(), &configv1.ConfigureRequest{
			CoreConfiguration: &configv1.CoreConfiguration{TrustDomain: "Not A Trust Domain"},
			HclConfiguration:  "problem",
		})
		want := status.Error(codes.InvalidArgument, `invalid configuration: SPIRE's core configuration: trust_domain: trust domain characters are limited to lowercase letters, numbers, dots, dashes, and underscores; `+testProblem.String())
		if diff := cmp.Diff(want.Error(), fmt.Sprint(err)); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
	t.Run("a bad one leaves the old one running", func(t *testing.T) {
		p.configure(t, baseConfig)
		if _, err := p.config.Configure(t.Context(), configure("problem")); status.Code(err) != codes.InvalidArgument {
			t.Fatalf("got %v", err)
		}
		if _, err := p.attest(t, payload(t, nil)); err != nil {
			t.Errorf("attest: %v", err)
		}
	})
	t.Run("validate says the same and changes nothing", func(t *testing.T) {
		bad, err := p.config.Validate(t.Context(), &configv1.ValidateRequest{
			CoreConfiguration: configure("").CoreConfiguration, HclConfiguration: "problem",
		})
		if err != nil || bad.Valid || !slices.Equal(bad.Notes, []string{testProblem.String()}) {
			t.Errorf("got %v, %v", bad, err)
		}
		fine, err := p.config.Validate(t.Context(), &configv1.ValidateRequest{CoreConfiguration: configure("").CoreConfiguration})
		if err != nil || !fine.Valid || len(fine.Notes) != 0 {
			t.Errorf("got %v, %v", fine, err)
		}
	})
}
