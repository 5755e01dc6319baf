package rego

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/storage"
	"github.com/open-policy-agent/opa/v1/storage/inmem"
	"github.com/open-policy-agent/opa/v1/util"
)

// The entrypoints of a plugin's package.
const (
	admission = "admission"
	decision  = "decision"
)

// Options say what an Engine is made of.
type Options struct {
	// Plugin names the package that is asked: gatehouse.<Plugin>.
	Plugin string

	// Policy holds the policy's files, at their paths; policies.Baseline is one.
	Policy fs.FS

	// Replaces are files of Policy that are in the place of others, which were of the
	// plugin's package: so must they be. Otherwise whoever may write some other package,
	// a bundle with roots say, could take the plugin's rules away.
	Replaces []string

	// Config becomes data.gatehouse.config. It must be writable as JSON, and must
	// not hold secrets. The engine itself reads one key: the object enforcement
	// has "deny", "warn" or "off" for rules by name.
	Config map[string]any

	// Timeout bounds one evaluation. Zero means five seconds.
	Timeout time.Duration

	// SelfTest says of which files the tests must pass; nil for none.
	SelfTest func(file string) bool

	// Samples holds input documents, *.json, that both questions must have an
	// answer to, a denial or not; nil for none.
	Samples fs.FS
}

func (o Options) timeout() time.Duration { return cmp.Or(o.Timeout, DefaultTimeout) }

// An Engine evaluates one revision of policy and configuration. It never changes
// and is safe for concurrent use.
type Engine struct {
	plugin    string
	timeout   time.Duration
	revision  string
	encoder   encoder
	rules     []Rule
	enforced  enforcement
	facts     []string // that there are, sorted; nil if the schema does not say
	admission query
	decision  query
	redactor  *redactor // nil if the policy has none

	// For Explain and Coverage.
	parts    []part
	compiler *ast.Compiler
	store    storage.Store
	modules  map[string]*ast.Module // as parsed
}

var pluginPattern = regexp.MustCompile(`^[a-z][a-z0-9_]*$`)

// New loads a policy:
//
//  1. read every file, and parse it, tests only if some are to run; look at those
//     of Options.Replaces;
//  2. compile the modules strictly, with the restricted set of built-ins, and check
//     their types against the schemas;
//  3. check that the package has both entrypoints and declares its schemas;
//  4. check that the enforcement configured is of rules that there are;
//  5. compile the tests in the same way, and run those that Options.SelfTest chooses;
//  6. prepare both queries over the modules, the tests left out;
//  7. ask both of each of Options.Samples.
//
// Each step reports all its problems, as an error that joins one for each, with
// its file and line where there is one.
func New(ctx context.Context, opts Options) (*Engine, error) {
	engine, err := newEngine(ctx, opts)
	if err != nil {
		return nil, fmt.Errorf("rego: loading policy: %w", err)
	}
	return engine, nil
}

func newEngine(ctx context.Context, opts Options) (*Engine, error) {
	switch {
	case !pluginPattern.MatchString(opts.Plugin):
		return nil, fmt.Errorf("plugin name %q is not lower-case letters, digits and underscores", opts.Plugin)
	case opts.Policy == nil:
		return nil, errors.New("there is no policy")
	case opts.Timeout < 0:
		return nil, fmt.Errorf("timeout %s is negative", opts.Timeout)
	}
	config, configJSON, err := normalize(opts.Config)
	if err != nil {
		return nil, fmt.Errorf("configuration: %w", err)
	}
	caps := capabilities()
	src, err := readSource(opts.Policy, opts.SelfTest, caps)
	if err != nil {
		return nil, err
	}
	if err := src.checkReplaced(opts); err != nil {
		return nil, err
	}
	store, err := newStore(src.data, config)
	if err != nil {
		return nil, err
	}
	compiler, err := compile(ctx, src, store, caps)
	if err != nil {
		return nil, err
	}
	if err := checkPackage(opts.Plugin, compiler, src.modules); err != nil {
		return nil, err
	}
	rules, complete := scanRules(packageRef(opts.Plugin), src.modules)
	enforced, err := newEnforcement(config, rules, complete)
	if err != nil {
		return nil, err
	}
	trial, stop := BoundMemory(ctx)
	defer stop()
	if err := selfTest(trial, src, opts.SelfTest, caps); err != nil {
		return nil, err
	}
	engine := &Engine{
		plugin:   opts.Plugin,
		timeout:  opts.timeout(),
		revision: revision(opts.Plugin, src.files, configJSON),
		rules:    rules,
		enforced: enforced,
		facts:    factNames(src.schemas, opts.Plugin),
		parts:    scanParts(packageRef(opts.Plugin), src.modules),
		compiler: compiler,
		store:    store,
		modules:  src.modules,
	}
	queries, err := newQueries(ctx, compiler, store, caps)
	if err != nil {
		return nil, err
	}
	pkg := packageRef(opts.Plugin)
	if engine.admission, err = queries.prepare(ctx, pkg.Append(ast.StringTerm(admission))); err != nil {
		return nil, err
	}
	if engine.decision, err = queries.prepare(ctx, pkg.Append(ast.StringTerm(decision))); err != nil {
		return nil, err
	}
	if engine.redactor, err = newRedactor(ctx, src, queries); err != nil {
		return nil, err
	}
	if err := engine.tryOut(trial, opts.Samples); err != nil {
		return nil, err
	}
	return engine, nil
}

// newStore holds policy data and the configuration, as terms so that evaluation
// converts nothing.
func newStore(data, config map[string]any) (storage.Store, error) {
	taken := fmt.Errorf("%s: policy data may not be where the plugin's configuration is", configRef)
	if own, ok := data["gatehouse"].(map[string]any); ok && own["config"] != nil {
		return nil, taken
	}
	documents := map[string]any{"gatehouse": map[string]any{"config": config}}
	if conflict := merge(documents, data, "data"); conflict != "" {
		return nil, taken
	}
	return inmem.NewFromObjectWithOpts(documents,
		inmem.OptReturnASTValuesOnRead(true), inmem.OptRoundTripOnWrite(false)), nil
}

// Revision identifies the policy's files and the configuration: the same for the
// same content.
func (e *Engine) Revision() string { return e.revision }

// Admit asks what shows in the signed evidence already. While the agent path
// needs facts it is undefined; with them in the input, Admit is asked again. To ask for
// a fact that there is not is an error: no policy can be meant to do without it.
func (e *Engine) Admit(ctx context.Context, in Input) (Admission, error) {
	value, err := e.ask(ctx, admission, e.admission, in)
	if err != nil {
		return Admission{}, err
	}
	answer, err := decodeAdmission(value, guard{e.plugin, in.TrustDomain}, e.enforced)
	if err != nil {
		return Admission{}, e.failed(admission, err)
	}
	if len(answer.Denials()) == 0 {
		if err := e.checkFacts(answer); err != nil {
			return Admission{}, err
		}
	}
	return answer, nil
}

// checkFacts refuses an admission that asks for a fact that there is not.
func (e *Engine) checkFacts(answer Admission) error {
	for _, name := range slices.Concat(answer.Required, answer.Optional) {
		if e.facts != nil && !slices.Contains(e.facts, name) {
			return e.failed(admission, fmt.Errorf("asks for fact %q; %s has %s", name, e.plugin, strings.Join(e.facts, ", ")))
		}
	}
	return nil
}

// factNames are those that a plugin's schema of the input describes.
func factNames(schemas *ast.SchemaSet, plugin string) []string {
	at := schemas.Get(ast.Ref{ast.SchemaRootDocument, ast.StringTerm(plugin)})
	for _, name := range []string{"properties", "facts", "properties"} {
		object, _ := at.(map[string]any)
		at = object[name]
	}
	described, _ := at.(map[string]any)
	return slices.Sorted(maps.Keys(described))
}

// Decide asks for the decision over all that is known.
func (e *Engine) Decide(ctx context.Context, in Input) (Decision, error) {
	if in.Facts == nil {
		in.Facts = map[string]any{}
	}
	if in.FactsStatus == nil {
		in.FactsStatus = map[string]string{}
	}
	value, err := e.ask(ctx, decision, e.decision, in)
	if err != nil {
		return Decision{}, err
	}
	answer, err := decodeDecision(value, guard{e.plugin, in.TrustDomain}, e.enforced)
	if err != nil {
		return Decision{}, e.failed(decision, err)
	}
	return answer, nil
}

func (e *Engine) failed(entrypoint string, err error) error {
	return fmt.Errorf("rego: %s: %w", dotted(packageRef(e.plugin).Append(ast.StringTerm(entrypoint))), err)
}

// ask evaluates an entrypoint, and returns the one value it must have. If the
// evaluation was stopped, the error wraps ctx's, or context.DeadlineExceeded if
// the engine's own limit came first.
func (e *Engine) ask(ctx context.Context, entrypoint string, q query, in Input) (ast.Value, error) {
	asked, err := e.Unasked(entrypoint, in)
	if err != nil {
		return nil, err
	}
	asked.enforced = e.enforced
	defer func() { tell(ctx, asked) }()
	limited, cancel := context.WithTimeout(ctx, e.timeout)
	defer cancel()
	results, err := q.evaluate(limited, asked.input, in.Time, tracersOf(ctx)...)

	// Late is late, even if there is an answer.
	switch stopped := limited.Err(); {
	case ctx.Err() != nil:
		return nil, e.failed(entrypoint, fmt.Errorf("stopped: %w", context.Cause(ctx)))
	case stopped != nil:
		return nil, e.failed(entrypoint, fmt.Errorf("not answered within %s: %w", e.timeout, stopped))
	case err != nil:
		return nil, e.failed(entrypoint, err)
	}
	if asked.answer, err = single(results); err != nil {
		return nil, e.failed(entrypoint, err)
	}
	return asked.answer, nil
}

// normalize returns the configuration as a JSON parser would, and its JSON.
func normalize(config map[string]any) (map[string]any, []byte, error) {
	normal := map[string]any{}
	text, err := marshalConfig(config)
	if err != nil {
		return nil, nil, err
	}
	if err := util.UnmarshalJSON(text, &normal); err != nil {
		return nil, nil, err
	}
	return normal, text, nil
}
