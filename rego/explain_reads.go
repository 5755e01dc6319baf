package rego

import (
	"context"
	"encoding/json"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/dependencies"
	"github.com/open-policy-agent/opa/v1/storage"
)

// A Read is a part of input or data that a rule refers to. Of a reference that
// depends on a variable it is the part before that: input.facts.instance.tags for
// each of the tags.
type Read struct {
	// Ref is written as in Rego: input.evidence.account_id.
	Ref string

	// Value is what is there, as JSON has it; nil where nothing is, or too much.
	Value any

	// Missing says that nothing is there.
	Missing bool

	// Bytes is the length of a value, as JSON, that is too long to be shown, or 0.
	Bytes int
}

// reads finds what a compiled rule may look at, in order.
func (e *Engine) reads(ctx context.Context, rule *ast.Rule, input ast.Value) ([]Read, error) {
	refs, err := dependencies.Base(e.compiler, rule)
	if err != nil {
		return nil, err
	}
	txn, err := e.store.NewTransaction(ctx)
	if err != nil {
		return nil, err
	}
	defer e.store.Abort(ctx, txn)
	var reads []Read
	for _, ref := range refs {
		var value any
		switch {
		case ref.HasPrefix(ast.InputRootRef):
			if found, err := input.Find(ref[1:]); err == nil {
				value = found
			}
		case ref.HasPrefix(ast.DefaultRootRef):
			path, err := storage.NewPathForRef(ref)
			if err != nil {
				continue // the whole of data
			}
			value, err = e.store.Read(ctx, txn, path)
			if err != nil && !storage.IsNotFound(err) {
				return nil, err
			}
		default:
			continue
		}
		read, err := newRead(ref, value)
		if err != nil {
			return nil, err
		}
		reads = append(reads, read)
	}
	return reads, nil
}

func newRead(ref ast.Ref, value any) (Read, error) {
	read := Read{Ref: ref.String()}
	if value == nil {
		read.Missing = true
		return read, nil
	}
	if term, ok := value.(ast.Value); ok {
		plain, err := ast.JSON(term)
		if err != nil {
			return Read{}, err
		}
		value = plain
	}
	text, err := json.Marshal(value)
	if err != nil {
		return Read{}, err
	}
	if len(text) > maxReadBytes {
		read.Bytes = len(text)
	} else {
		read.Value = value
	}
	return read, nil
}
