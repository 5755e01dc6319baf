package bundles

import (
	"context"
	"maps"
	"sync"
	"time"

	"github.com/open-policy-agent/opa/v1/bundle"
	"github.com/open-policy-agent/opa/v1/storage"

	"github.com/spire-gatehouse/gatehouse/internal/recovered"
)

// store is where OPA believes to keep bundles. It remembers whom to ask.
type store struct {
	storage.Store
	accept func(context.Context, Set) error
	wanted int // bundles

	// active belongs to OPA's bundle plugin, which activates one at a time.
	active map[string]*files
}

const activatorID = "gatehouse"

// registerActivator makes OPA ask before it activates a bundle. OPA has one such
// place for the whole process. Nothing else is changed by that: of bundles for
// other stores, OPA's own activator goes on taking care.
var registerActivator = sync.OnceFunc(func() {
	bundle.RegisterActivator(activatorID, activator{})
	bundle.RegisterDefaultBundleActivator(activatorID)
})

type activator struct{}

// Activate implements bundle.Activator. It runs in a goroutine of OPA's, where nobody
// else would make an error of a panic.
func (activator) Activate(opts *bundle.ActivateOpts) (err error) {
	defer recovered.To(&err)
	own, ok := opts.Store.(*store)
	if !ok {
		return new(bundle.DefaultActivator).Activate(opts)
	}
	next := maps.Clone(own.active)
	for name, b := range opts.Bundles {
		if err := unexpired(b.Signatures, time.Now()); err != nil {
			return err
		}
		f, err := filesOf(b)
		if err != nil {
			return err
		}
		next[name] = f

		// OPA sees to it that the data is where the bundle's roots allow it, and that
		// the roots of no two bundles overlap. The modules it doesn't get: they are to
		// be compiled together with the baseline, which only the owner has.
		data := *opts
		data.Bundles = map[string]*bundle.Bundle{name: withoutModules(b)}
		if err := new(bundle.DefaultActivator).Activate(&data); err != nil {
			return err
		}
	}
	if len(next) == own.wanted {
		set, err := together(next)
		if err != nil {
			return err
		}
		if err := own.accept(opts.Ctx, set); err != nil {
			return err
		}
	}
	own.active = next
	return nil
}
