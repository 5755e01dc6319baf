package replay

import (
	"fmt"

	"github.com/spire-gatehouse/gatehouse/attestor/decisionlog"
	"github.com/spire-gatehouse/gatehouse/internal/inputschema"
	"github.com/spire-gatehouse/gatehouse/rego"
)

// version is one version of Gatehouse, and one plugin, whose decisions are in a log.
type version struct{ plugin, gatehouse string }

// misfit says what today's schemas do not fit of what a version recorded, by one of
// its decisions; nil if they do.
func (v version) misfit(d *decisionlog.Decision, in rego.Input) *remark {
	what := "input"
	err := inputschema.Check(v.plugin, "", in.Document())
	if err == nil && d.Config != nil {
		what = "configuration"
		err = inputschema.Check(v.plugin+"_config", "", d.Config)
	}
	if err == nil {
		return nil
	}
	return &remark{why: fmt.Sprintf("is of Gatehouse %s, whose %s does not follow today's schema: rules may not find what they look for", v.gatehouse, what), detail: err.Error()}
}
