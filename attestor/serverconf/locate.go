package serverconf

import (
	"encoding/json"
	"strings"

	"github.com/hashicorp/hcl/hcl/ast"
)

// A declaration is where a plugin is declared.
type declaration struct {
	pluginType, name string
	item             *ast.ObjectItem
}

// declared finds the plugins: wherever keys are two deep, in one item or in one
// within another.
func declared(list *ast.ObjectList, above []string) []declaration {
	var found []declaration
	for _, item := range list.Items {
		keys := above[:len(above):len(above)]
		for _, key := range item.Keys {
			text, _ := key.Token.Value().(string)
			keys = append(keys, text)
		}
		if len(keys) >= 2 {
			found = append(found, declaration{keys[0], keys[1], item})
		} else if object, ok := item.Val.(*ast.ObjectType); ok {
			found = append(found, declared(object.List, keys)...)
		}
	}
	return found
}

func (d declaration) line() int { return d.item.Pos().Line }

// locate fills in what depends on where things are in the file. HCL 1 knows no
// positions in JSON.
func (d declaration) locate(p *Plugin, text string) {
	p.lines = map[string]int{}
	if strings.HasPrefix(strings.TrimSpace(text), "{") {
		p.Line, _ = inJSON(text, []string{"plugins", d.pluginType, d.name})
		for _, key := range pluginKeys {
			var value string
			p.lines[key], value = inJSON(text, []string{"plugins", d.pluginType, d.name, key})
			if key == "plugin_data" {
				p.Written = atLine(value, p.lines[key])
			}
		}
		return
	}
	p.Line = d.line()
	object, ok := d.item.Val.(*ast.ObjectType)
	if !ok {
		return
	}
	for _, item := range object.List.Items {
		key, _ := item.Keys[0].Token.Value().(string)
		if key == "plugin_data" {
			data, isObject := item.Val.(*ast.ObjectType)
			if p.lines[key] == 0 && isObject && len(item.Keys) == 1 {
				p.Written = atLine(text[data.Lbrace.Offset:data.Rbrace.Offset+1], data.Lbrace.Line)
			} else {
				p.Written = "" // it is in several pieces
			}
		}
		if p.lines[key] == 0 {
			p.lines[key] = item.Pos().Line
		}
	}
}

var pluginKeys = []string{"plugin_cmd", "plugin_args", "plugin_checksum", "plugin_data", "plugin_data_file", "enabled"}

// atLine puts a text in a line of a file that is otherwise empty.
func atLine(text string, line int) string {
	if text == "" || line < 1 {
		return ""
	}
	return strings.Repeat("\n", line-1) + text
}

// inJSON finds the value at a path, through arrays too, and its line: 0 if it is
// not there.
func inJSON(text string, path []string) (line int, value string) {
	decoder := json.NewDecoder(strings.NewReader(text))
	end, value, err := descend(decoder, path)
	if err != nil || value == "" {
		return 0, ""
	}
	return 1 + strings.Count(text[:end-int64(len(value))], "\n"), value
}

// descend returns the first value at a path, and where it ends. SPIRE's parser takes
// what is no JSON, a control character in a string say: an error ends all of it, as a
// decoder that has failed comes no further.
func descend(decoder *json.Decoder, path []string) (end int64, value string, err error) {
	if len(path) == 0 {
		var raw json.RawMessage
		err := decoder.Decode(&raw)
		return decoder.InputOffset(), string(raw), err
	}
	open, err := decoder.Token()
	if err != nil || open != json.Delim('{') && open != json.Delim('[') {
		return 0, "", err
	}
	for decoder.More() {
		rest := path
		if open == json.Delim('{') {
			key, err := decoder.Token()
			if err != nil {
				return 0, "", err
			}
			if key != path[0] {
				var skipped json.RawMessage
				if err := decoder.Decode(&skipped); err != nil {
					return 0, "", err
				}
				continue
			}
			rest = path[1:]
		}
		if end, value, err = descend(decoder, rest); err != nil || value != "" {
			return end, value, err
		}
	}
	_, err = decoder.Token() // the closer
	return 0, "", err
}
