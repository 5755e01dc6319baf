package rego

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
)

// Where OPA looks for what a decision log may not have.
var (
	systemLogRef = ast.MustParseRef("data.system.log")
	maskRef      = ast.MustParseRef("data.system.log.mask")
	dropRef      = ast.MustParseRef("data.system.log.drop")
)

// A Redaction is what the policy's package system.log wants of one event of the
// decision log.
type Redaction struct {
	Drop  bool
	Masks []Mask
}

// A Mask takes away a part of an event, or replaces it.
type Mask struct {
	// Path leads to the part: the event's field, then keys and indices.
	Path []string

	// Replace says that Value comes in the part's place, or where none is.
	Replace bool
	Value   any
}

// String is the mask's path, as policy would write it.
func (m Mask) String() string {
	parts := make([]string, 0, len(m.Path))
	for _, part := range m.Path {
		parts = append(parts, url.PathEscape(part))
	}
	return "/" + strings.Join(parts, "/")
}

type redactor struct {
	mask, drop query
}

// newRedactor returns nil if the policy has no package system.log.
func newRedactor(ctx context.Context, src *source, from queries) (*redactor, error) {
	if src.data["system"] == nil && len(from.compiler.GetRulesWithPrefix(systemLogRef)) == 0 {
		return nil, nil
	}
	var r redactor
	var err error
	if r.mask, err = from.prepare(ctx, maskRef); err != nil {
		return nil, err
	}
	if r.drop, err = from.prepare(ctx, dropRef); err != nil {
		return nil, err
	}
	return &r, nil
}

// Redacts says whether the policy has a say in what the decision log holds. If
// not, no Redaction has anything in it.
func (e *Engine) Redacts() bool { return e.redactor != nil }

// Redact asks the policy what an event of the decision log may not have: OPA's
// data.system.log.drop and data.system.log.mask, with the event as their input.
//
// OPA's own decision log does the same, but unmasked goes what a failing built-in
// would have masked, and lost is the event whose mask can't be evaluated. Here
// each is an error, and the caller must show nothing of the event.
func (e *Engine) Redact(ctx context.Context, event ast.Value, now time.Time) (Redaction, error) {
	if e.redactor == nil {
		return Redaction{}, nil
	}
	var redaction Redaction
	drop, err := e.redaction(ctx, e.redactor.drop, event, now)
	if err != nil {
		return Redaction{}, fmt.Errorf("rego: %s: %w", dotted(dropRef), err)
	}
	if drop != nil {
		flag, ok := drop.(ast.Boolean)
		if !ok {
			return Redaction{}, fmt.Errorf("rego: %s is %s, not a boolean", dotted(dropRef), typeName(drop))
		}
		redaction.Drop = bool(flag)
	}
	masks, err := e.redaction(ctx, e.redactor.mask, event, now)
	if err != nil {
		return Redaction{}, fmt.Errorf("rego: %s: %w", dotted(maskRef), err)
	}
	if redaction.Masks, err = decodeMasks(masks); err != nil {
		return Redaction{}, fmt.Errorf("rego: %s: %w", dotted(maskRef), err)
	}
	return redaction, nil
}

func (e *Engine) maskTime() time.Duration { return min(e.timeout, maxMaskTime) }

// redaction returns a query's value, nil if it is undefined.
func (e *Engine) redaction(ctx context.Context, q query, event ast.Value, now time.Time) (ast.Value, error) {
	limited, cancel := context.WithTimeout(ctx, e.maskTime())
	defer cancel()
	results, err := q.evaluate(limited, event, now)
	switch {
	case limited.Err() != nil:
		return nil, fmt.Errorf("not answered within %s: %w", e.maskTime(), limited.Err())
	case err != nil:
		return nil, err
	case len(results) == 0:
		return nil, nil
	}
	return single(results)
}

func decodeMasks(value ast.Value) ([]Mask, error) {
	var terms []*ast.Term
	switch v := value.(type) {
	case nil:
		return nil, nil
	case ast.Set:
		terms = v.Slice()
	case *ast.Array:
		v.Foreach(func(term *ast.Term) { terms = append(terms, term) })
	default:
		return nil, fmt.Errorf("is %s, not a set", typeName(value))
	}
	if len(terms) > maxMasks {
		return nil, fmt.Errorf("there are %d, more than %d", len(terms), maxMasks)
	}
	var masks []Mask
	for _, term := range terms {
		mask, err := decodeMask(term.Value)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", excerpt(term.String()), err)
		}
		masks = append(masks, mask)
	}
	return masks, nil
}

// decodeMask takes a path, or an object with an operation.
func decodeMask(value ast.Value) (Mask, error) {
	if path, ok := value.(ast.String); ok {
		return newMask(string(path))
	}
	fields, err := object(value, []string{"op", "path"}, "value")
	if err != nil {
		return Mask{}, err
	}
	path, _ := fields.get("path").(ast.String)
	mask, err := newMask(string(path))
	if err != nil {
		return Mask{}, err
	}
	switch op, _ := fields.get("op").(ast.String); op {
	case "remove":
		return mask, nil
	case "upsert":
		mask.Replace = true
		mask.Value, err = plain("value", fields.get("value"))
		return mask, err
	}
	return Mask{}, errors.New(`op is neither "remove" nor "upsert"`)
}

// maskable are the fields of an event that a mask may reach into. The others say
// which decision it was, and by which policy.
var maskable = []string{"input", "result", "custom", "requested_by"}

// newMask reads a path such as /input/facts/instance/tags/Name. What is no letter
// or digit may be written as in a URL, and a slash within a key must be: %2F.
func newMask(path string) (Mask, error) {
	rest, ok := strings.CutPrefix(path, "/")
	if !ok {
		return Mask{}, errors.New("the path does not begin with a slash")
	}
	var mask Mask
	for part := range strings.SplitSeq(rest, "/") {
		key, err := url.PathUnescape(part)
		if err != nil {
			return Mask{}, err
		}
		mask.Path = append(mask.Path, key)
	}
	if !slices.Contains(maskable, mask.Path[0]) {
		return Mask{}, fmt.Errorf("the path begins with none of /%s", strings.Join(maskable, ", /"))
	}
	return mask, nil
}
