package rego

import (
	"context"
	"fmt"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/storage"
	"github.com/open-policy-agent/opa/v1/topdown"
)

// documents are policy's data, which never change once an engine is loaded. To look
// there spares each evaluation a reading of its store for each reference. It is safe
// for concurrent use.
type documents struct{ root ast.Object }

var _ topdown.BaseCache = documents{}

func documentsOf(ctx context.Context, store storage.Store) (documents, error) {
	root, err := storage.ReadOne(ctx, store, storage.RootPath)
	if err != nil {
		return documents{}, err
	}
	object, ok := root.(ast.Object)
	if !ok {
		return documents{}, fmt.Errorf("data is %T, not an object", root)
	}
	return documents{object}, nil
}

// Get implements topdown.BaseCache. What is not there, and data as a whole, is left
// to the store.
func (d documents) Get(ref ast.Ref) ast.Value {
	if d.root == nil || len(ref) < 2 {
		return nil
	}
	value, err := d.root.Find(ref[1:])
	if err != nil {
		return nil
	}
	return value
}

// Put implements topdown.BaseCache: there is nothing to remember.
func (documents) Put(ast.Ref, ast.Value) {}
