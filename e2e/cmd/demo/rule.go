package main

import (
	"fmt"
	"io/fs"
	"regexp"
	"strings"
)

// location is a rule in a policy file.
type location struct {
	rule, file string
	line       int
	text       string
}

// message matches the line of a rule that makes its message.
var message = regexp.MustCompile(`^\s*msg := \$?"(.*)"$`)

// findRule finds the rule that gave a reason of the form "rule: message", by
// its message. The policies of Gatehouse have one message a rule.
func findRule(policy fs.FS, reason string) (location, error) {
	rule, msg, _ := strings.Cut(reason, ": ")
	var found []location
	err := fs.WalkDir(policy, ".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !strings.HasSuffix(path, ".rego") || strings.HasSuffix(path, "_test.rego") {
			return err
		}
		text, err := fs.ReadFile(policy, path)
		if err != nil {
			return err
		}
		lines := strings.Split(string(text), "\n")
		head := 0
		for i, line := range lines {
			if strings.Contains(line, ` contains {"rule": "`+rule+`"`) {
				head = i
			}
			if made := message.FindStringSubmatch(line); made != nil && template(made[1]).MatchString(msg) {
				found = append(found, location{rule: rule, file: path, line: head + 1, text: body(lines[head:])})
			}
		}
		return nil
	})
	if err != nil {
		return location{}, err
	}
	if len(found) != 1 {
		return location{}, fmt.Errorf("%d rules of the policy give the reason %q", len(found), reason)
	}
	return found[0], nil
}

// template turns a message with {expressions} into a pattern.
func template(text string) *regexp.Regexp {
	parts := regexp.MustCompile(`\{[^}]*\}`).Split(text, -1)
	for i, part := range parts {
		parts[i] = regexp.QuoteMeta(part)
	}
	return regexp.MustCompile("^" + strings.Join(parts, ".*") + "$")
}

// body cuts a rule from the lines that begin with it.
func body(lines []string) string {
	for i, line := range lines {
		if line == "}" {
			return strings.Join(lines[:i+1], "\n")
		}
	}
	return lines[0]
}
