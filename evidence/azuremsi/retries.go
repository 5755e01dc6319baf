package azuremsi

import (
	"errors"
	"net/http"
	"slices"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"

	"github.com/spire-gatehouse/gatehouse/internal/sleep"
)

// retrying has each call tried again for as long as its context allows: when it is
// throttled, by the SDK, as it was told to; when it failed, by failureRetries.
func retrying(options *azcore.ClientOptions) {
	options.Retry.MaxRetries, options.Retry.TryTimeout = maxRetries, attemptTimeout
	options.Retry.ShouldRetry = func(response *http.Response, err error) bool {
		return err == nil && (response.StatusCode == http.StatusTooManyRequests || passes(response.StatusCode) && saysWhen(response))
	}
	options.PerCallPolicies = append(options.PerCallPolicies, failureRetries{})
}

// failureRetries tries a call that failed once a second. The SDK's own pauses double: a
// call would sleep for as long again as an outage has taken, with nodes waiting for it.
type failureRetries struct{}

// Do implements policy.Policy.
func (failureRetries) Do(request *policy.Request) (*http.Response, error) {
	ctx := request.Raw().Context()
	for tries := 1; ; tries++ {
		if err := request.RewindBody(); err != nil {
			return nil, err
		}
		response, err := request.Next()
		if tries > maxRetries || ctx.Err() != nil || !failed(response, err) {
			return response, err
		}
		runtime.Drain(response)
		if err := sleep.For(ctx, retryAfter); err != nil {
			return nil, err
		}
	}
}

// failed says whether a call may succeed when it is tried again soon.
func failed(response *http.Response, err error) bool {
	if err != nil {
		var final interface{ NonRetriable() }
		return !errors.As(err, &final)
	}
	return passes(response.StatusCode) && !saysWhen(response)
}

// passes says whether a status is one of a failure that passes.
func passes(code int) bool {
	return slices.Contains([]int{
		http.StatusRequestTimeout, http.StatusInternalServerError, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout,
	}, code)
}

// saysWhen says whether an answer asks not to be asked for a while.
func saysWhen(response *http.Response) bool {
	for _, name := range []string{"Retry-After", "Retry-After-Ms", "X-Ms-Retry-After-Ms"} {
		if response.Header.Get(name) != "" {
			return true
		}
	}
	return false
}
