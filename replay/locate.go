package replay

import (
	"context"
	"fmt"
	"slices"

	"github.com/spire-gatehouse/gatehouse/rego"
)

// again is what it takes to ask once more about a decision.
type again struct {
	engine *rego.Engine
	in     rego.Input
}

// locate finds where the rules are that deny now. Where several have one name, or
// none that shows, it takes an explanation to tell, if explain allows it.
func (c *Change) locate(ctx context.Context, explain bool) error {
	names := c.New.rules()
	named := map[string]int{}
	for _, rule := range c.again.engine.Rules() {
		named[rule.Name]++
	}
	if explain && slices.ContainsFunc(names, func(name string) bool { return named[name] != 1 }) {
		explained, err := c.again.engine.Explain(ctx, c.again.in, rego.TraceNothing)
		if err != nil {
			return fmt.Errorf("decision %s: %w", c.DecisionID, err)
		}
		for _, part := range explained.Parts {
			if part.Effect == rego.EffectDenied {
				c.New.At = append(c.New.At, site(part.Rule))
			}
		}
	} else {
		c.New.At = c.again.sites(names, nil)
	}
	slices.Sort(c.New.At)
	c.New.At = slices.Compact(c.New.At)
	return nil
}

// sites are where rules of these names are, those alone that an answer was denied
// at if there is one.
func (a *again) sites(names []string, answer *Answer) []string {
	var sites []string
	for _, rule := range a.engine.Rules() {
		if slices.Contains(names, rule.Name) && (answer == nil || slices.Contains(answer.At, site(rule))) {
			sites = append(sites, site(rule))
		}
	}
	return sites
}
