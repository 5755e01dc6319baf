// Package serverconf reads a SPIRE server's configuration file as SPIRE does, for
// the plugins in it. Start with Parse.
//
// SPIRE parses the file with HCL 1 and hands a plugin the printed text of its
// plugin_data. What a plugin is given must be the same here, byte for byte, so that
// it is the same library that parses and prints: version 1.0.1-vault-7 of
// hashicorp/hcl, as SPIRE 1.15 has it. Nothing that serves a node comes here.
package serverconf

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/hashicorp/hcl"
	"github.com/hashicorp/hcl/hcl/ast"
	"github.com/hashicorp/hcl/hcl/parser"
	"github.com/hashicorp/hcl/hcl/printer"
)

// NodeAttestor is the type of plugins that attest nodes.
const NodeAttestor = "NodeAttestor"

// A File is what a server's configuration says about plugins.
type File struct {
	// TrustDomain is the server's; empty if it is not in the file, since SPIRE
	// takes it from the command line too.
	TrustDomain string

	// Plugins are all plugins, in the order of the file.
	Plugins []Plugin

	// HasPlugins is false for a file that configures no plugins at all, and may be
	// no server's.
	HasPlugins bool
}

// A Plugin is one plugin of a server.
type Plugin struct {
	Type, Name string
	Line       int // where it begins

	Command  string // plugin_cmd; empty for SPIRE's own plugins
	Args     []string
	Checksum string // hex, as written; empty for none
	Disabled bool

	// Data is the text that the plugin is given, unless DataFile names a file that
	// it is given instead. Written is plugin_data as it stands in the file, in the
	// line where it stands there: the same to a plugin, but for lines. It is empty
	// where it can't be told.
	Data, DataFile, Written string

	lines map[string]int // of its keys
}

// LineOf is the line of one of the plugin's keys, or the plugin's own.
func (p Plugin) LineOf(key string) int {
	if line := p.lines[key]; line > 0 {
		return line
	}
	return p.Line
}

// An Error is why SPIRE would not read the file.
type Error struct {
	Line int // 0 if it is not in any one
	Msg  string
}

func (e *Error) Error() string {
	if e.Line == 0 {
		return e.Msg
	}
	return fmt.Sprintf("line %d: %s", e.Line, e.Msg)
}

// block is a plugin as SPIRE decodes it.
type block struct {
	Command  string   `hcl:"plugin_cmd"`
	Args     []string `hcl:"plugin_args"`
	Checksum string   `hcl:"plugin_checksum"`
	Data     ast.Node `hcl:"plugin_data"`
	DataFile *string  `hcl:"plugin_data_file"`
	Enabled  *bool    `hcl:"enabled"`
}

// Parse reads a file. Its error is an *Error. HCL 1's parser panics on some texts,
// as it does in SPIRE: that is an error too.
func Parse(text string) (_ *File, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = &Error{Msg: fmt.Sprintf("the parser panicked: %v", r)}
		}
	}()
	if len(text) > MaxSize {
		return nil, &Error{Msg: fmt.Sprintf("the file is longer than %d bytes", MaxSize)}
	}
	text = strings.ReplaceAll(text, "\r\n", "\n") // as HCL 1 does first of all
	var server struct {
		Server struct {
			TrustDomain string `hcl:"trust_domain"`
		} `hcl:"server"`
		Plugins ast.Node `hcl:"plugins"`
	}
	if err := hcl.Decode(&server, text); err != nil {
		return nil, syntaxError(err)
	}
	file := &File{TrustDomain: server.Server.TrustDomain}
	if server.Plugins == nil {
		return file, nil
	}
	file.HasPlugins = true
	list, ok := server.Plugins.(*ast.ObjectList)
	if !ok {
		return nil, &Error{Line: server.Plugins.Pos().Line, Msg: "plugins is no block"}
	}
	var decoded []map[string]map[string]block
	if err := hcl.DecodeObject(&decoded, list); err != nil {
		return nil, syntaxError(err)
	}
	if err := file.add(declared(list, nil), decoded, text); err != nil {
		return nil, err
	}
	return file, nil
}

// add makes plugins of what is declared and decoded.
func (f *File) add(declarations []declaration, decoded []map[string]map[string]block, text string) error {
	seen := map[[2]string]bool{}
	for _, d := range declarations {
		id := [2]string{d.pluginType, d.name}
		if seen[id] {
			return &Error{Line: d.line(), Msg: fmt.Sprintf("plugin %s %q is declared more than once", d.pluginType, d.name)}
		}
		seen[id] = true
		for _, types := range decoded {
			if b, found := types[d.pluginType][d.name]; found {
				plugin, err := d.plugin(b, text)
				if err != nil {
					return err
				}
				f.Plugins = append(f.Plugins, plugin)
				break
			}
		}
	}
	return nil
}

// plugin makes a plugin of a block.
func (d declaration) plugin(b block, text string) (Plugin, error) {
	p := Plugin{
		Type:     d.pluginType,
		Name:     d.name,
		Command:  b.Command,
		Args:     b.Args,
		Checksum: b.Checksum,
		Disabled: b.Enabled != nil && !*b.Enabled,
	}
	d.locate(&p, text)
	if b.DataFile != nil {
		if b.Data != nil {
			return Plugin{}, &Error{Line: p.LineOf("plugin_data_file"), Msg: "plugin_data_file excludes plugin_data"}
		}
		p.DataFile = *b.DataFile
		return p, nil
	}
	if b.Data != nil {
		var printed bytes.Buffer
		if err := printer.DefaultConfig.Fprint(&printed, b.Data); err != nil {
			return Plugin{}, &Error{Line: p.LineOf("plugin_data"), Msg: err.Error()}
		}
		p.Data = printed.String()
	}
	return p, nil
}

// syntaxError finds the line in an error of HCL 1.
func syntaxError(err error) *Error {
	if at, ok := errors.AsType[*parser.PosError](err); ok {
		return &Error{Line: at.Pos.Line, Msg: at.Err.Error()}
	}
	return &Error{Msg: err.Error()}
}

// ExpandEnv puts in the environment's variables, as spire-server does with
// -expandEnv.
func ExpandEnv(text string, env func(string) string) string {
	return os.Expand(text, func(name string) string {
		if name == "$" {
			return "$"
		}
		return env(name)
	})
}
