package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/rogpeppe/go-internal/txtar"
)

// TestGuide does what docs/authors_guide.md shows: it writes the files, runs the
// commands, and compares what they print.
func TestGuide(t *testing.T) {
	if testing.Short() {
		t.Skip("builds OPA and Regal")
	}
	text, err := os.ReadFile("../../docs/authors_guide.md")
	if err != nil {
		t.Fatal(err)
	}
	script, err := guideScript(string(text))
	if err != nil {
		t.Fatal(err)
	}
	script.Files = append(script.Files, txtar.File{Name: "key.pem", Data: newSigningKey(t)})
	file := filepath.Join(t.TempDir(), "authors_guide.txt")
	if err := os.WriteFile(file, txtar.Format(script), 0o644); err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{Files: []string{file}, Cmds: scriptCommands, Setup: setupScript})
}

func newSigningKey(t *testing.T) []byte {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der})
}

// fileOf finds the name of a file that a paragraph announces: it ends in `name`:
var fileOf = regexp.MustCompile("`([a-z_/]+\\.rego)` ?[a-z ]*:\n$")

// guideScript makes a script of a page's indented blocks. A block is of commands
// after "$ ", each with what it prints; or a file, which the line before it names;
// or configuration, which TestGuideConfiguration of attestor reads.
func guideScript(page string) (*txtar.Archive, error) {
	script := &txtar.Archive{}
	commands := "tool opa\ntool regal\n"
	file := func(text string) string {
		name := fmt.Sprintf("shown%d", len(script.Files))
		script.Files = append(script.Files, txtar.File{Name: name, Data: []byte(text)})
		return "$WORK/" + name
	}
	for _, block := range indented(page) {
		name := fileOf.FindStringSubmatch(block.before)
		switch {
		case strings.HasPrefix(block.text, "$ "):
			for _, command := range strings.Split(block.text, "$ ")[1:] {
				line, printed, _ := strings.Cut(command, "\n")
				switch program, _, _ := strings.Cut(line, " "); program {
				case "cd", "mkdir", "rm":
					commands += line + "\n"
				default:
					commands += "prints " + file(printed) + " " + line + "\n"
				}
			}
		case name != nil:
			commands += "cp " + file(block.text) + " " + name[1] + "\n"
		case configuration.MatchString(block.text):
		default:
			return nil, fmt.Errorf("what is this block?\n%s", block.text)
		}
	}
	script.Comment = []byte(commands)
	return script, nil
}

var configuration = regexp.MustCompile(`^ *(policy|enforcement) `)

// block is lines that are indented, and the paragraph before them.
type block struct{ before, text string }

func indented(page string) []block {
	var all []block
	var before, text, blank string
	for line := range strings.Lines(page + "\n.\n") {
		code, isCode := strings.CutPrefix(line, "    ")
		switch {
		case isCode && (text != "" || blank != ""):
			if text != "" {
				text += blank
			}
			text += code
			blank = ""
		case line == "\n":
			blank += line
		default:
			if text != "" {
				all = append(all, block{before, text})
				before, text = "", ""
			}
			if blank != "" {
				before = ""
			}
			before += line
			blank = ""
		}
	}
	return all
}
