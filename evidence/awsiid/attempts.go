package awsiid

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/aws/smithy-go/middleware"
)

// attempts knows which AWS calls failed when they were last tried, and how. When
// a deadline ends the SDK's retries, the SDK says only that it was cancelled: what
// it was retrying for is what an operator needs.
type attempts struct {
	mu     sync.Mutex
	failed map[string]error // by API and scope
}

type attemptsKey struct{}

// withAttempts makes clients with noteAttempts tell how their attempts end.
func withAttempts(ctx context.Context) (context.Context, *attempts) {
	a := &attempts{failed: map[string]error{}}
	return context.WithValue(ctx, attemptsKey{}, a), a
}

func (a *attempts) note(call string, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if err == nil {
		delete(a.failed, call)
		return
	}
	a.failed[call] = err
}

// explain adds to an error which calls failed.
func (a *attempts) explain(err error) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.failed) == 0 {
		return err
	}
	var all []string
	for _, call := range slices.Sorted(maps.Keys(a.failed)) {
		all = append(all, call+": "+a.failed[call].Error())
	}
	return fmt.Errorf("%w; what failed before that: %s", err, strings.Join(all, "; "))
}

// noteAttempts is an option of SDK clients: each single attempt of theirs, and not
// only the last one of a call, is noted in the context's attempts.
func noteAttempts(scope Scope) func(*middleware.Stack) error {
	note := func(ctx context.Context, in middleware.FinalizeInput, next middleware.FinalizeHandler) (middleware.FinalizeOutput, middleware.Metadata, error) {
		out, metadata, err := next.HandleFinalize(ctx, in)
		a, ok := ctx.Value(attemptsKey{}).(*attempts)
		// An attempt that was cut off says nothing new.
		if ok && (err == nil || ctx.Err() == nil) {
			a.note(fmt.Sprintf("%s in %s", apiName(ctx), scope), err)
		}
		return out, metadata, err
	}
	return func(stack *middleware.Stack) error {
		return stack.Finalize.Insert(middleware.FinalizeMiddlewareFunc("NoteAttempts", note), "Retry", middleware.After)
	}
}
