package azuremsi

import (
	"context"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

	"github.com/spire-gatehouse/gatehouse/evidence"
)

// reporting has each call of Azure's SDK reported to the observer of its context
// when it is over, with all its tries.
func reporting(options *azcore.ClientOptions) {
	options.PerCallPolicies = append(options.PerCallPolicies, reportCall{})
	options.PerRetryPolicies = append(options.PerRetryPolicies, countThrottled{})
}

// throttledKey is where in its context a call counts the tries that were throttled.
type throttledKey struct{}

type reportCall struct{}

// Do implements policy.Policy.
func (reportCall) Do(request *policy.Request) (*http.Response, error) {
	ctx, throttled := request.Raw().Context(), new(atomic.Int64)
	began := time.Now()
	response, err := request.WithContext(context.WithValue(ctx, throttledKey{}, throttled)).Next()
	ended := err
	if err != nil {
		ended = short(err) // without pages of text
	} else if response.StatusCode >= http.StatusBadRequest {
		ended = &statusError{response.Status}
	}
	evidence.ObserverOf(ctx).Called(evidence.Call{
		API: apiName(request.Raw()), Elapsed: time.Since(began), Throttled: int(throttled.Load()), Err: ended,
	})
	return response, err
}

type countThrottled struct{}

// Do implements policy.Policy.
func (countThrottled) Do(request *policy.Request) (*http.Response, error) {
	response, err := request.Next()
	if throttled, ok := request.Raw().Context().Value(throttledKey{}).(*atomic.Int64); ok && err == nil && response.StatusCode == http.StatusTooManyRequests {
		throttled.Add(1)
	}
	return response, err
}

// statusError is an answer that is no good.
type statusError struct{ status string }

func (e *statusError) Error() string { return "answered " + e.status }

// apiName is what Azure's roles call the operation of a request, such as
// "Microsoft.Compute/virtualMachines/read". Requests to the authority are
// "entra:token" and the like.
func apiName(request *http.Request) string {
	path := request.URL.Path
	at := strings.LastIndex(path, "/providers/")
	if at < 0 {
		return "entra:" + path[strings.LastIndexByte(path, '/')+1:]
	}
	parts := strings.Split(path[at+len("/providers/"):], "/")
	name := parts[0]
	for i := 1; i < len(parts); i += 2 {
		name += "/" + parts[i]
	}
	return name + "/read"
}
