// Package page shows a replay's report as one HTML file that needs nothing else: no
// network, no server, and for reading no JavaScript, which only filters the list.
//
// What is in a log was chosen by others: a tag may well be a script. All of it goes
// through html/template, and the page's own policy lets no script run but its own.
//
// Start at Write.
package page

import (
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"html/template"
	"io"

	"github.com/spire-gatehouse/gatehouse/replay"
)

var (
	//go:embed page.html
	page string
	//go:embed style.css
	style string
	//go:embed script.js
	script string
)

var parsed = template.Must(template.New("page").Funcs(template.FuncMap{
	"count":    count,
	"several":  several,
	"duration": duration,
	"time":     stamp,
}).Parse(page))

// Write writes the page.
func Write(w io.Writer, r *replay.Report) error {
	return parsed.Execute(w, struct {
		*view
		Style                 template.CSS
		Script                template.JS
		StyleHash, ScriptHash string
	}{newView(r), template.CSS(style), template.JS(script), hash(style), hash(script)})
}

// hash is how a content security policy names what may be in a page.
func hash(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "sha256-" + base64.StdEncoding.EncodeToString(sum[:])
}
