package awsiid

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/aws/smithy-go"

	"github.com/spire-gatehouse/gatehouse/evidence/cache"
)

// TestAWSCaches: the bounds are the caches', whose own tests try them on both sides,
// where an operator says nothing else.
func TestAWSCaches(t *testing.T) {
	got := Options{Organization: &OrganizationOptions{TTL: time.Hour}}.caches()
	want := caches{
		profiles: cache.Options{
			Name: "instance_profile", Lifetime: profileLifetime, Stale: profileLifetime, Recheck: recheck, Retry: retryAfter,
			LoadTimeout: profileLoadTimeout, Size: maxProfiles, Waiting: maxWaiting,
		},
		clusters: cache.Options{
			Name: "eks", Lifetime: clusterLifetime, Stale: clusterLifetime, Recheck: recheck, Retry: retryAfter,
			LoadTimeout: clusterLoadTimeout, Size: maxMemberships, Waiting: maxWaiting,
		},
		accounts: cache.Options{
			Name: "organization", Lifetime: time.Hour, Stale: time.Hour, Recheck: recheck, Retry: retryAfter,
			LoadTimeout: accountsLoadTimeout, Size: 1, Waiting: maxWaiting,
		},
	}
	if got != want {
		t.Errorf("got\n%+v, want\n%+v", got, want)
	}
	configured := Lifetimes{InstanceProfile: time.Hour, EKS: time.Minute, Recheck: time.Millisecond}
	all := Options{Lifetimes: configured}.caches()
	if got := (Lifetimes{all.profiles.Lifetime, all.clusters.Lifetime, all.clusters.Recheck}); got != configured || all.clusters.Retry != time.Millisecond {
		t.Errorf("got %+v of %+v, and a retry after %v", got, configured, all.clusters.Retry)
	}
}

// TestAWSRetries: a call is tried so often, and one that is throttled more often; the
// pauses between grow up to a bound.
func TestAWSRetries(t *testing.T) {
	down := errors.New("down")
	throttled := &smithy.GenericAPIError{Code: "Throttling"}
	retryer := newRetryer()
	if got := retryer.MaxAttempts(); got != maxThrottledAttempts {
		t.Errorf("%d tries, want %d", got, maxThrottledAttempts)
	}
	for _, tc := range []struct {
		attempt int
		err     error
		goesOn  bool
	}{
		{maxAttempts - 1, down, true}, {maxAttempts, down, false}, {maxAttempts, throttled, true}, {maxThrottledAttempts - 1, throttled, true},
	} {
		pause, err := retryer.RetryDelay(tc.attempt, tc.err)
		if (err == nil) != tc.goesOn || pause > maxBackoff {
			t.Errorf("after try %d, %v: a pause of %v, %v", tc.attempt, tc.err, pause, err)
		}
	}
	if pause, err := retryer.RetryDelay(maxThrottledAttempts-1, throttled); pause != maxBackoff || err != nil {
		t.Errorf("the longest pause is %v, %v, want %v", pause, err, maxBackoff)
	}
}

// TestAWSRequestTime: it is the HTTP client's time.
func TestAWSRequestTime(t *testing.T) {
	clients, err := NewSDKClients(t.Context(), Credentials{AccessKeyID: "a", SecretAccessKey: "s"})
	if err != nil {
		t.Fatal(err)
	}
	sent, ok := clients.config.HTTPClient.(boundedHTTP).HTTPClient.(*http.Client)
	if !ok || sent.Timeout != attemptTimeout {
		t.Errorf("a request may take %v, want %v", sent.Timeout, attemptTimeout)
	}
}

// TestAWSTurns: whoever asks, so many clusters of an account and region are read.
func TestAWSTurns(t *testing.T) {
	c, err := New(Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if c.reading.atOnce != maxConcurrentClusters {
		t.Errorf("%d are read at once, want %d", c.reading.atOnce, maxConcurrentClusters)
	}
	ctx, cancel := context.WithCancel(t.Context())
	for range maxConcurrentClusters {
		if _, err := c.reading.take(ctx, Scope{}); err != nil {
			t.Fatal(err)
		}
	}
	cancel()
	if _, err := c.reading.take(ctx, Scope{}); !errors.Is(err, context.Canceled) {
		t.Errorf("one more: got %v", err)
	}
}
