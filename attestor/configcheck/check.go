// Package configcheck says what is wrong with a SPIRE server's configuration as far
// as it is Gatehouse's, and what would be in force. Start with Check.
//
// Configuration and policy are loaded in the very way in which the plugin does when
// SPIRE configures it. The rest of the file is for spire-server validate.
package configcheck

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spire-gatehouse/gatehouse/attestor"
	"github.com/spire-gatehouse/gatehouse/attestor/plugindata"
	"github.com/spire-gatehouse/gatehouse/attestor/serverconf"
)

// Options say how to look at a file.
type Options struct {
	// Plugin is a node attestor's name: look at it whatever its program is called.
	// It is needed where the file is a plugin_data, which doesn't say whose.
	Plugin string

	// TrustDomain is the server's, where the file doesn't say.
	TrustDomain string

	// NoBinary leaves programs and their checksums alone: they are elsewhere.
	NoBinary bool
}

// assumedTrustDomain is for files that name none, which is for SPIRE to object to.
const assumedTrustDomain = "example.org"

// Check looks at the text of a file: a server.conf, in HCL or JSON, or a plugin_data.
func Check(ctx context.Context, file, text string, opts Options) Report {
	c := &checker{ctx: ctx, file: file, opts: opts}
	r := Report{File: file, Plugins: []Plugin{}}
	conf, err := serverconf.Parse(text)
	switch {
	case err != nil && opts.Plugin != "" && !mayBeServer(text):
		// A plugin_data that HCL 1 can't read may still be one from a file of its own.
		r.Plugins = append(r.Plugins, c.alone(text))
	case err != nil:
		r.Problems = append(r.Problems, c.unreadable(err))
	case conf.HasPlugins:
		r.Problems, r.Plugins = c.plugins(conf)
	case opts.Plugin != "":
		r.Plugins = append(r.Plugins, c.alone(text))
	default:
		r.Problems = append(r.Problems, Problem{File: file, Msg: "has no plugins; if it is a plugin_data, say whose with --plugin"})
	}
	r.Valid = len(r.Problems) == 0
	for _, plugin := range r.Plugins {
		r.Valid = r.Valid && (plugin.Valid || plugin.Disabled)
	}
	return r
}

// mayBeServer guesses at what can't be parsed.
func mayBeServer(text string) bool { return strings.Contains(text, serverconf.NodeAttestor) }

type checker struct {
	ctx  context.Context
	file string
	opts Options
}

func (c *checker) unreadable(err error) Problem {
	if at, ok := errors.AsType[*serverconf.Error](err); ok {
		return Problem{File: c.file, Line: at.Line, Msg: at.Msg}
	}
	return Problem{File: c.file, Msg: err.Error()}
}

// plugins looks at Gatehouse's plugins in a server.conf.
func (c *checker) plugins(conf *serverconf.File) ([]Problem, []Plugin) {
	trustDomain := cmp.Or(c.opts.TrustDomain, conf.TrustDomain, assumedTrustDomain)
	plugins := []Plugin{}
	for _, p := range Find(conf, c.opts.Plugin) {
		plugins = append(plugins, c.plugin(p, trustDomain))
	}
	if len(plugins) > 0 {
		return nil, plugins
	}
	msg := "has no NodeAttestor whose plugin_cmd is a program called gatehouse; name one with --plugin"
	if c.opts.Plugin != "" {
		msg = fmt.Sprintf("has no NodeAttestor %q", c.opts.Plugin)
	}
	return []Problem{{File: c.file, Msg: msg}}, plugins
}

// Find returns the node attestors of a name; of an empty one, those that are
// Gatehouse's by the name of their program.
func Find(conf *serverconf.File, name string) []serverconf.Plugin {
	var found []serverconf.Plugin
	for _, p := range conf.Plugins {
		program := strings.TrimSuffix(filepath.Base(p.Command), ".exe")
		if p.Type == serverconf.NodeAttestor && (p.Name == name || name == "" && p.Command != "" && program == "gatehouse") {
			found = append(found, p)
		}
	}
	return found
}

func (c *checker) plugin(p serverconf.Plugin, trustDomain string) Plugin {
	result := Plugin{Name: p.Name, Line: p.Line, Disabled: p.Disabled}
	if p.Disabled {
		return result
	}
	problem := func(key, format string, args ...any) {
		result.Problems = append(result.Problems, Problem{File: c.file, Line: p.LineOf(key), Key: key, Msg: fmt.Sprintf(format, args...)})
	}
	binary, err := c.binary(p)
	result.Binary = binary
	if err != nil {
		problem(err.key, "%s", err.msg)
	}
	if p.Checksum == "" {
		result.Warnings = append(result.Warnings, "plugin_checksum is not set: SPIRE starts whatever is at plugin_cmd")
	}
	kind, wrong := kindOf(p)
	if wrong != "" {
		problem("plugin_args", "%s", wrong)
		return result
	}
	if p.DataFile == "" {
		c.load(&result, kind, trustDomain, p.Data, func(found []plugindata.Problem) []Problem {
			return c.placed(kind, trustDomain, p, found)
		})
		return result
	}
	text, readErr := readData(p.DataFile)
	if readErr != nil {
		problem("plugin_data_file", "%v", readErr)
		return result
	}
	c.load(&result, kind, trustDomain, string(text), func(found []plugindata.Problem) []Problem { return in(p.DataFile, found) })
	return result
}

// readData reads no more than it takes to see that a file is too long.
func readData(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, plugindata.MaxSize+1))
}

// alone looks at a plugin_data that is a file of its own.
func (c *checker) alone(text string) Plugin {
	result := Plugin{Name: c.opts.Plugin}
	kind, known := attestor.KindNamed(c.opts.Plugin)
	if !known {
		result.Problems = []Problem{{File: c.file, Msg: fmt.Sprintf("%q is none of Gatehouse's plugins: %s", c.opts.Plugin, strings.Join(attestor.KindNames(), ", "))}}
		return result
	}
	c.load(&result, kind, cmp.Or(c.opts.TrustDomain, assumedTrustDomain), text, func(found []plugindata.Problem) []Problem { return in(c.file, found) })
	return result
}

// load loads a configuration, and says what would be in force.
func (c *checker) load(result *Plugin, kind attestor.Kind, trustDomain, data string, placed func([]plugindata.Problem) []Problem) {
	config, err := attestor.Load(c.ctx, kind, trustDomain, data, time.Now)
	if err != nil {
		result.Problems = append(result.Problems, placed(problemsOf(err))...)
		return
	}
	result.Warnings = append(result.Warnings, config.Warnings()...)
	result.InForce, err = inForce(c.ctx, config)
	if err != nil {
		result.Problems = append(result.Problems, Problem{File: c.file, Line: result.Line, Msg: err.Error()})
	}
	shadow, err := config.LoadShadow(c.ctx)
	if err != nil {
		for _, msg := range attestor.Problems(err) {
			result.Problems = append(result.Problems, placed([]plugindata.Problem{{Key: "shadow", Msg: msg}})...)
		}
	}
	if shadow != nil && result.InForce != nil {
		result.InForce.Shadow = &Shadow{shadow.Source, shadow.Revision}
	}
	result.Valid = len(result.Problems) == 0
}

func inForce(ctx context.Context, config *attestor.Configuration) (*InForce, error) {
	required, optional, err := config.Facts(ctx)
	if err != nil {
		return nil, err
	}
	f := &InForce{
		PolicySource:   config.PolicySource(),
		PolicyRevision: config.PolicyRevision(),
		RequiredFacts:  append([]string{}, required...),
		OptionalFacts:  append([]string{}, optional...),
		Rules:          []Rule{},
	}
	for _, rule := range config.Rules() {
		f.Rules = append(f.Rules, Rule{rule.Name, rule.Title, config.PolicyFile(rule.File), rule.Line, config.Enforcement(rule.Name)})
	}
	return f, nil
}

// kindOf finds the plugin that the program is told to be.
func kindOf(p serverconf.Plugin) (_ attestor.Kind, wrong string) {
	if len(p.Args) != 1 {
		return attestor.Kind{}, fmt.Sprintf("must be one of Gatehouse's plugins, as in plugin_args = [%q]: %s", p.Name, strings.Join(attestor.KindNames(), ", "))
	}
	kind, known := attestor.KindNamed(p.Args[0])
	switch {
	case !known:
		return attestor.Kind{}, fmt.Sprintf("%q is none of Gatehouse's plugins: %s", p.Args[0], strings.Join(attestor.KindNames(), ", "))
	case p.Args[0] != p.Name:
		return attestor.Kind{}, fmt.Sprintf("is %q in NodeAttestor %q: agents would find no attestor of their name", p.Args[0], p.Name)
	}
	return kind, ""
}
