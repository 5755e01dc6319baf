package decisionlog

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/open-policy-agent/opa/v1/plugins/logs"

	"github.com/spire-gatehouse/gatehouse/rego"
)

// redact takes away from an event what the policy doesn't want in the log. On an
// error nothing of the event may be shown.
func redact(ctx context.Context, engine *rego.Engine, event *logs.EventV1, now time.Time) (drop bool, err error) {
	if engine == nil || !engine.Redacts() {
		return false, nil
	}
	// What policy is asked about, and what masks reach into, is plain JSON.
	if event.Custom, err = plainCustom(event.Custom); err != nil {
		return false, err
	}
	question, err := event.AST()
	if err != nil {
		return false, err
	}
	redaction, err := engine.Redact(ctx, question, now)
	if err != nil || redaction.Drop {
		return redaction.Drop, err
	}
	apply(redaction.Masks, event)
	return false, nil
}

// withholdShadow takes away what a shadow policy's answer says of paths and
// selectors: masks that reach into results don't know that it is there too.
func withholdShadow(event *logs.EventV1) {
	outcome, _ := event.Custom["gatehouse"].(map[string]any)
	shadow, _ := outcome["shadow"].(map[string]any)
	for _, key := range []string{"agent_path", "selectors_gained", "selectors_lost", "error"} {
		delete(shadow, key)
	}
}

func plainCustom(custom map[string]any) (map[string]any, error) {
	text, err := json.Marshal(custom)
	if err != nil {
		return nil, err
	}
	var plain map[string]any
	if err := json.Unmarshal(text, &plain); err != nil {
		return nil, fmt.Errorf("custom: %w", err)
	}
	return plain, nil
}

// apply applies masks to an event, and notes in it which did something. One that
// leads nowhere does nothing, so that a policy need not ask what is there. All indices
// are of the lists that policy saw.
func apply(masks []rego.Mask, event *logs.EventV1) {
	parts := map[string]any{"custom": event.Custom}
	if event.Input != nil {
		parts["input"] = *event.Input
	}
	if event.Result != nil {
		parts["result"] = *event.Result
	}
	if event.RequestedBy != "" {
		parts["requested_by"] = event.RequestedBy
	}
	for _, mask := range masks {
		if _, there := parts[mask.Path[0]]; !there {
			continue
		}
		masked, changed := masked(parts, mask.Path, mask)
		if !changed {
			continue
		}
		parts = masked.(map[string]any)
		if mask.Replace {
			event.Masked = append(event.Masked, mask.String())
		} else {
			event.Erased = append(event.Erased, mask.String())
		}
	}
	slices.Sort(event.Masked)
	slices.Sort(event.Erased)
	if len(event.Erased) > 0 {
		parts = closed(parts).(map[string]any)
	}

	event.Input, event.Result = pointer(parts, "input"), pointer(parts, "result")
	event.RequestedBy, _ = parts["requested_by"].(string)
	event.Custom, _ = parts["custom"].(map[string]any)
}

func pointer(parts map[string]any, name string) *any {
	value, there := parts[name]
	if !there {
		return nil
	}
	return &value
}

// gap is where an element was taken away from a list. The list is closed when all masks
// have been applied: before that, the next mask's index would lead to another element,
// and the one that policy meant would stay in the log.
type gap struct{}

// closed returns a value without the gaps in its lists.
func closed(value any) any {
	switch v := value.(type) {
	case map[string]any:
		for key, member := range v {
			v[key] = closed(member)
		}
	case []any:
		v = slices.DeleteFunc(v, func(element any) bool { return element == gap{} })
		for i, element := range v {
			v[i] = closed(element)
		}
		return v
	}
	return value
}

// masked returns a value after a mask whose path, from there, is not empty.
func masked(value any, path []string, mask rego.Mask) (_ any, changed bool) {
	key, last := path[0], len(path) == 1
	switch v := value.(type) {
	case map[string]any:
		member, there := v[key]
		switch {
		case !there && !mask.Replace:
			return v, false
		case last && !mask.Replace:
			delete(v, key)
			return v, true
		case last:
			v[key] = mask.Value
			return v, true
		case !there:
			member = map[string]any{}
		}
		v[key], changed = masked(member, path[1:], mask)
		return v, changed
	case []any:
		i, err := strconv.Atoi(key)
		switch {
		case err != nil || i < 0 || i >= len(v):
			return v, false
		case last && !mask.Replace:
			changed = v[i] != gap{}
			v[i] = gap{}
			return v, changed
		case last:
			v[i] = mask.Value
			return v, true
		}
		v[i], changed = masked(v[i], path[1:], mask)
		return v, changed
	default:
		return v, false
	}
}
