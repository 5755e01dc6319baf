package awsiid

import (
	"context"
	"strings"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/smithy-go/middleware"

	"github.com/spire-gatehouse/gatehouse/evidence"
)

// throttledKey is where in its context a call counts the tries that were throttled.
type throttledKey struct{}

// reportCalls is an option of SDK clients: each call is reported to the observer of
// its context when it is over, with all its tries.
func reportCalls(stack *middleware.Stack) error {
	whole := func(ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler) (middleware.InitializeOutput, middleware.Metadata, error) {
		began, throttled := time.Now(), new(atomic.Int64)
		out, metadata, err := next.HandleInitialize(context.WithValue(ctx, throttledKey{}, throttled), in)
		evidence.ObserverOf(ctx).Called(evidence.Call{
			API: apiName(ctx), Elapsed: time.Since(began), Throttled: int(throttled.Load()), Err: err,
		})
		return out, metadata, err
	}
	throttles := retry.IsErrorThrottles(retry.DefaultThrottles)
	try := func(ctx context.Context, in middleware.FinalizeInput, next middleware.FinalizeHandler) (middleware.FinalizeOutput, middleware.Metadata, error) {
		out, metadata, err := next.HandleFinalize(ctx, in)
		if throttled, ok := ctx.Value(throttledKey{}).(*atomic.Int64); ok && throttles.IsErrorThrottle(err) == aws.TrueTernary {
			throttled.Add(1)
		}
		return out, metadata, err
	}
	if err := stack.Initialize.Add(middleware.InitializeMiddlewareFunc("ReportCall", whole), middleware.After); err != nil {
		return err
	}
	return stack.Finalize.Insert(middleware.FinalizeMiddlewareFunc("CountThrottled", try), "Retry", middleware.After)
}

// apiName is how AWS names the call of a context, as in policies of IAM:
// "ec2:DescribeInstances".
func apiName(ctx context.Context) string {
	service := strings.ToLower(strings.ReplaceAll(awsmiddleware.GetServiceID(ctx), " ", ""))
	return service + ":" + awsmiddleware.GetOperationName(ctx)
}

// newRetryer makes the retries of one client: adaptive, so that a client that is
// throttled asks less often. Each account, region and service has a client of its
// own, as it has limits of its own.
func newRetryer() aws.Retryer {
	return retry.NewAdaptiveMode(func(o *retry.AdaptiveModeOptions) {
		o.StandardOptions = append(o.StandardOptions, func(o *retry.StandardOptions) {
			// EC2 says this, and when, if the clocks differ; the SDK corrects its own for
			// the next try, but takes only other services' codes for a reason to have one.
			o.Retryables = append([]retry.IsErrorRetryable{retry.RetryableErrorCode{Codes: map[string]struct{}{"RequestExpired": {}}}}, o.Retryables...)
			o.MaxAttempts, o.Backoff = maxThrottledAttempts, retry.BackoffDelayerFunc(backoff(retry.NewExponentialJitterBackoff(maxBackoff)))
		})
	})
}

// backoff gives a call that fails for another reason than throttling up sooner: it
// is told in time to be told to the node.
func backoff(next retry.BackoffDelayer) func(int, error) (time.Duration, error) {
	throttles := retry.IsErrorThrottles(retry.DefaultThrottles)
	return func(attempt int, err error) (time.Duration, error) {
		if attempt >= maxAttempts && throttles.IsErrorThrottle(err) != aws.TrueTernary {
			return 0, err
		}
		return next.BackoffDelay(attempt, err)
	}
}
