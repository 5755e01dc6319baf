package replay

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/spire-gatehouse/gatehouse/attestor/decisionlog"
	"github.com/spire-gatehouse/gatehouse/policies"
	"github.com/spire-gatehouse/gatehouse/rego"
)

// work judges lines. It is safe for concurrent use.
type work struct {
	options   Options
	plugins   []string // that there are
	candidate *engines
	against   *engines  // nil for what was recorded
	coverage  *coverage // nil if it was not asked for

	mu      sync.Mutex
	loadErr error // the first

	giveUp context.CancelCauseFunc
}

func newWork(o Options, giveUp context.CancelCauseFunc) *work {
	w := &work{options: o, plugins: policies.Plugins(), candidate: newEngines(o.Candidate), giveUp: giveUp}
	if o.Against != nil {
		w.against = newEngines(*o.Against)
	}
	if o.Coverage {
		w.coverage = newCoverage()
	}
	return w
}

// result is what came of a line.
type result struct {
	line    int
	skipped *remark
	noted   []remark

	version version
	misfit  func() *remark // finds out what does not fit of the version

	time        time.Time
	node        string
	whom        []place
	hits        []hit
	entries     []entryHit
	change      *Change // nil if there is no hit
	candidate   time.Duration
	comparison  time.Duration
	hasCompared bool
}

// remark is something odd about a line.
type remark struct {
	why, detail string
	loading     bool // the candidate does not load
}

// place is where a node is, in one dimension.
type place struct{ dimension, value string }

func (w *work) judgeAll(ctx context.Context, file string, lines []lineRead) []result {
	results := make([]result, 0, len(lines))
	for _, line := range lines {
		if ctx.Err() != nil {
			break
		}
		results = append(results, w.judge(ctx, file, line))
	}
	return results
}

func (w *work) judge(ctx context.Context, file string, line lineRead) result {
	skip := func(number int, why, detail string) result {
		return result{line: number, skipped: &remark{why: why, detail: detail}}
	}
	wrong := line.err
	var d *decisionlog.Decision
	if wrong == nil {
		var err error
		if d, err = line.Decision(); err != nil {
			errors.As(err, &wrong)
		}
	}
	if wrong != nil {
		detail := ""
		if broken, ok := errors.AsType[brokenError](wrong.Why); ok {
			detail = broken.error.Error()
		}
		return skip(wrong.Line, wrong.Why.Error(), detail)
	}
	if why, detail := w.unfit(d); why != "" {
		return skip(d.Line, why, detail)
	}
	in, err := rego.InputOf(d.Input)
	if err != nil {
		return skip(d.Line, "has an input that this version can't read: another version of Gatehouse wrote it", err.Error())
	}
	if in.Evidence == nil || in.Time.IsZero() || in.TrustDomain == "" { // masked: any policy would fail
		return skip(d.Line, "has an input without evidence, time or trust domain, which no policy is asked about", "")
	}
	if in.Plugin != d.Plugin {
		return skip(d.Line, "has an input of another plugin than its path", "")
	}
	r, why := w.compare(ctx, d, in)
	if why != nil {
		return result{line: d.Line, skipped: why}
	}
	if r.change != nil {
		r.change.File = file
	}
	r.version = version{in.Plugin, d.Gatehouse}
	r.misfit = func() *remark { return r.version.misfit(d, in) }
	return r
}

const noSayOfPolicy = "was refused by the plugin and not by policy: agent_path_template"

// config is the configuration that a decision was made with, or that is given for it; nil
// if there is neither.
func (w *work) config(d *decisionlog.Decision) map[string]any {
	if d.Config == nil {
		return w.options.Config
	}
	return d.Config
}

// unfit says why a decision can't be taken again.
func (w *work) unfit(d *decisionlog.Decision) (why, detail string) {
	var masked []string // of what is compared with
	if w.against == nil {
		masked = taken(d, "/input", "/result", "/custom/gatehouse/outcome", "/custom/gatehouse/rules")
	}
	switch {
	case d.Question != atAdmission && d.Question != atDecision:
		return "was refused before policy was asked: " + d.Outcome.Outcome, ""
	case !slices.Contains(w.plugins, d.Plugin):
		return "is of a plugin that this version does not have", d.Plugin
	case d.Input.IsNull() && len(d.Taken) > 0:
		return "has no input: the log's owner had it taken out, or it was too long", ""
	case d.Input.IsNull():
		return "has no input", ""
	case w.config(d) == nil:
		return "is made with a configuration that the log does not have: give it with --config", ""
	case refusedByTemplate(d) != nil && templateFact(w.config(d)) == "":
		return noSayOfPolicy, "" // it was not asked
	case len(masked) > 0:
		return "has masked parts, so that what was recorded can't come out again: compare with another policy by --against", strings.Join(masked, ", ")
	case w.against == nil && d.Result == nil && refusedByTemplate(d) == nil && slices.Contains([]string{loggedAttested, loggedDenied, loggedDeniedForNow}, d.Outcome.Outcome):
		return "has no result to compare with", ""
	}
	return "", ""
}

// compare takes a decision again.
func (w *work) compare(ctx context.Context, d *decisionlog.Decision, in rego.Input) (r result, why *remark) {
	config, digest := w.config(d), d.ConfigDigest
	engine, why := w.load(ctx, w.candidate, in.Plugin, digest, config)
	if why != nil {
		return r, why
	}
	r = result{line: d.Line, time: in.Time, node: d.Outcome.Node, whom: whom(in)}
	path, known := recordedPath(d, in.TrustDomain)
	if !known {
		return r, &remark{why: "has its agent's ID masked, so that it can't be told whose first use it was", detail: strings.Join(d.Taken, ", ")}
	}

	recorded := rego.Taken{Input: in, AgentPath: path, TemplateFact: templateFact(config)}

	refused := refusedByTemplate(d)
	var old *Answer
	switch {
	case w.against != nil:
		other, why := w.load(ctx, w.against, in.Plugin, digest, config)
		if why != nil {
			return r, why
		}
		old, _, r.comparison = w.timed(ctx, w.against, other, recorded)
		old, r.hasCompared = orRefused(old, refused), true
		if len(d.Taken) > 0 {
			r.noted = append(r.noted, remark{why: "has masked parts: both policies were asked without them", detail: strings.Join(d.Taken, ", ")})
		}
	case refused != nil:
		old, r.comparison, r.hasCompared = refused, d.Took, d.Took > 0
	default:
		var err error
		if old, err = recordedAnswer(d, path); err != nil {
			return r, &remark{why: "has a result that this version can't read: an answer out of shape, or of another version of Gatehouse", detail: err.Error()}
		}
		r.comparison, r.hasCompared = d.Took, d.Took > 0
	}
	if old.Outcome == Unknown {
		return r, w.incomparable(d, old)
	}
	watched := ctx
	if w.coverage != nil {
		watched = w.coverage.watch(ctx, in.Plugin, engine)
	}
	now, asked, took := w.timed(watched, w.candidate, engine, recorded)
	r.candidate = took
	if now = orRefused(now, refused); now == old { // both wait for the template, which refuses
		return r, &remark{why: noSayOfPolicy}
	}
	if took >= rego.DefaultTimeout {
		r.noted = append(r.noted, remark{why: fmt.Sprintf("takes the candidate %v or longer: a server refuses a node where one question to policy does", rego.DefaultTimeout)})
	}
	if w.coverage != nil && now.Outcome == Allowed {
		w.coverage.dropFacts(in, asked.Facts, now, func(less rego.Input) *Answer {
			recorded := recorded
			recorded.Input = less
			answer, _, _ := w.timed(ctx, w.candidate, engine, recorded)
			return answer
		})
	}
	if r.hits = compare(old, now, func() map[string]string { return fields(in) }); len(r.hits) > 0 {
		r.entries = w.options.Entries.affected(in, old, now)
		r.change = w.change(d, in, old, now, &r)
		if locatable(r.change.Classes) {
			r.change.again = &again{w.candidate, digest, in.Plugin, config, asked}
		}
	}
	return r, nil
}

// incomparable says why there is no old answer: were such a decision counted as one
// that stays as it was, a log of nothing else would find any candidate safe.
func (w *work) incomparable(d *decisionlog.Decision, old *Answer) *remark {
	if w.against == nil {
		return &remark{why: "was not decided then, so that there is nothing to compare: " + d.Outcome.Outcome}
	}
	return &remark{why: "lacks facts without which policy " + w.against.policy.Name + " can't be told, so that there is nothing to compare: " + strings.Join(old.Lacking, ", ")}
}

// timed asks an engine, and says how long it took. A policy that does not come to an end
// is given up: it would take a third of a minute for each line of the log.
func (w *work) timed(ctx context.Context, of *engines, engine *rego.Engine, recorded rego.Taken) (answer *Answer, asked rego.Input, took time.Duration) {
	started := w.options.Now()
	answer, asked = ask(ctx, engine, recorded)
	took = w.options.Now().Sub(started)
	if took >= askTimeout && of.late.Add(1) == maxLate {
		w.giveUp(fmt.Errorf("policy %s took %v and longer for %d decisions: it is given up", of.policy.Name, askTimeout, maxLate))
	}
	return answer, asked, took
}

func (w *work) change(d *decisionlog.Decision, in rego.Input, old, now *Answer, r *result) *Change {
	c := &Change{
		Line: d.Line, DecisionID: d.DecisionID, Time: in.Time, Plugin: in.Plugin, Node: d.Outcome.Node,
		Old: old, New: now, Whom: map[string]string{},
	}
	for _, p := range r.whom {
		c.Whom[p.dimension] = p.value
	}
	for _, h := range r.hits {
		if !slices.Contains(c.Classes, h.class) {
			c.Classes = append(c.Classes, h.class)
		}
	}
	return c
}

// load gives an engine, or says why there is none for a decision.
func (w *work) load(ctx context.Context, from *engines, plugin, digest string, config map[string]any) (*rego.Engine, *remark) {
	engine, err := from.get(ctx, plugin, digest, config)
	if err == nil {
		return engine, nil
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.loadErr == nil {
		w.loadErr = err
	}
	return nil, &remark{why: "is made with a configuration for which policy " + from.policy.Name + " does not load", detail: err.Error(), loading: from == w.candidate}
}
