package rego

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/metrics"
	oparego "github.com/open-policy-agent/opa/v1/rego"
	"github.com/open-policy-agent/opa/v1/storage"
	"github.com/open-policy-agent/opa/v1/topdown"

	"github.com/spire-gatehouse/gatehouse/internal/recovered"
)

// queries prepares the queries that an engine asks of its policy.
type queries struct {
	compiler  *ast.Compiler
	store     storage.Store
	caps      *ast.Capabilities
	documents documents
}

func newQueries(ctx context.Context, compiler *ast.Compiler, store storage.Store, caps *ast.Capabilities) (queries, error) {
	documents, err := documentsOf(ctx, store)
	if err != nil {
		return queries{}, fmt.Errorf("reading policy data: %w", err)
	}
	return queries{compiler, store, caps, documents}, nil
}

func (q queries) prepare(ctx context.Context, ref ast.Ref) (query, error) {
	prepared, err := oparego.New(
		oparego.ParsedQuery(ast.NewBody(ast.NewExpr(ast.NewTerm(ref)))),
		oparego.Compiler(q.compiler),
		oparego.Store(q.store),
		oparego.Capabilities(q.caps),
		oparego.SetRegoVersion(ast.RegoV1),
		oparego.StrictBuiltinErrors(true),
		oparego.GenerateJSON(func(term *ast.Term, _ *oparego.EvalContext) (any, error) { return term.Value, nil }),
	).PrepareForEval(ctx)
	if err != nil {
		return query{}, fmt.Errorf("preparing %s: %w", dotted(ref), err)
	}
	return query{prepared, q.documents}, nil
}

// A query is one that is prepared. It is safe for concurrent use.
type query struct {
	prepared  oparego.PreparedEvalQuery
	documents documents
}

// evaluate runs the query until ctx ends. A panic in it is an error: SPIRE does not
// restart a plugin that dies.
func (q query) evaluate(ctx context.Context, input ast.Value, now time.Time, tracers ...topdown.QueryTracer) (_ oparego.ResultSet, err error) {
	defer recovered.To(&err)
	options := []oparego.EvalOption{
		oparego.EvalParsedInput(input),
		oparego.EvalBaseCache(q.documents),
		oparego.EvalTime(now),
		oparego.EvalMetrics(metrics.NoOp()),
		oparego.EvalExternalCancel(ended{ctx}),
	}
	for _, tracer := range tracers {
		options = append(options, oparego.EvalQueryTracer(tracer))
	}
	return q.prepared.Eval(ctx, options...)
}

// ended stops an evaluation once its context has ended.
type ended struct{ context.Context }

var _ topdown.Cancel = ended{}

// Cancel implements topdown.Cancel: nobody but the context stops it.
func (ended) Cancel() {}

// Cancelled implements topdown.Cancel.
func (e ended) Cancelled() bool { return e.Err() != nil }

// single returns the value of a result that has exactly one.
func single(results oparego.ResultSet) (ast.Value, error) {
	switch {
	case len(results) == 0:
		return nil, errors.New("is undefined")
	case len(results) > 1 || len(results[0].Expressions) != 1:
		return nil, errors.New("has several results")
	}
	value, ok := results[0].Expressions[0].Value.(ast.Value)
	if !ok {
		return nil, errors.New("has no value")
	}
	return value, nil
}
