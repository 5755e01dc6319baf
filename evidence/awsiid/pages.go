package awsiid

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/sync/errgroup"

	"github.com/spire-gatehouse/gatehouse/internal/recovered"
)

// eachPage fetches page after page: fetch gets the token of a page, nil for the
// first, and returns that of the next, nil or empty after the last. A page may be
// empty and yet not the last.
func eachPage(fetch func(token *string) (next *string, err error)) error {
	var token *string
	seen := map[string]bool{}
	for range maxPages {
		next, err := fetch(token)
		switch {
		case err != nil:
			return err
		case next == nil || *next == "":
			return nil
		case seen[*next]:
			return errors.New("the answer goes round in circles: the token of a page came twice")
		}
		seen[*next] = true
		token = next
	}
	return fmt.Errorf("the answer has more than %d pages", maxPages)
}

// forEach calls f for all items, at most limit at a time, until one fails or ctx
// ends; either ends the context that f gets. It makes an error of a panic, which in
// another goroutine would end the plugin.
func forEach[T any](ctx context.Context, limit int, items []T, f func(context.Context, T) error) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(limit)
	for _, item := range items {
		group.Go(func() (err error) {
			defer recovered.To(&err)
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			return f(ctx, item)
		})
	}
	return group.Wait()
}
