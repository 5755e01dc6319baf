package replay

import (
	"context"
	"fmt"
	"slices"

	"github.com/spire-gatehouse/gatehouse/rego"
)

// again is what it takes to ask once more about a decision. It has no engine: a report
// has samples of more configurations than there is memory for engines.
type again struct {
	from           *engines
	digest, plugin string // digest is of config
	config         map[string]any
	in             rego.Input // as it was asked last
}

// locatable reports whether there is something to locate.
func locatable(classes []ClassName) bool {
	return slices.Contains(classes, NewlyDenied) || slices.Contains(classes, OtherReasons)
}

// locate finds where the rules are that deny now. Where several have one name, or
// none that shows, it takes an explanation to tell, if explain allows it. Without one
// all of that name are named.
func (c *Change) locate(ctx context.Context, explain bool) error {
	names := c.New.rules()
	named := map[string]int{}
	for _, rule := range c.again.rules() {
		named[rule.Name]++
	}
	c.New.At = c.again.sites(names, nil)
	if explain && slices.ContainsFunc(names, func(name string) bool { return named[name] != 1 }) {
		engine, err := c.again.from.get(ctx, c.again.plugin, c.again.digest, c.again.config)
		if err != nil {
			return fmt.Errorf("decision %s: %w", c.DecisionID, err)
		}
		explained, err := engine.Explain(ctx, c.again.in, rego.TraceNothing)
		if ctx.Err() != nil {
			return fmt.Errorf("decision %s: %w", c.DecisionID, context.Cause(ctx))
		}
		if err == nil {
			c.New.At = nil
		}
		for _, part := range explained.Parts {
			if part.Effect == rego.EffectDenied {
				c.New.At = append(c.New.At, site(part.Rule))
			}
		}
	}
	slices.Sort(c.New.At)
	c.New.At = slices.Compact(c.New.At)
	return nil
}

// sites are where rules of these names are, those alone that an answer was denied
// at if there is one.
func (a *again) sites(names []string, answer *Answer) []string {
	var sites []string
	for _, rule := range a.rules() {
		if slices.Contains(names, rule.Name) && (answer == nil || slices.Contains(answer.At, site(rule))) {
			sites = append(sites, site(rule))
		}
	}
	return sites
}

// rules are those of the policy, which are the same for every configuration.
func (a *again) rules() []rego.Rule { return a.from.rulesOf(a.plugin) }
