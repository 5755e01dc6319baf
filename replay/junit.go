package replay

import (
	"encoding/xml"
	"fmt"
	"io"
	"strings"
)

type junitSuite struct {
	XMLName  xml.Name    `xml:"testsuite"`
	Name     string      `xml:"name,attr"`
	Tests    int         `xml:"tests,attr"`
	Failures int         `xml:"failures,attr"`
	Skipped  int         `xml:"skipped,attr"`
	Cases    []junitCase `xml:"testcase"`
}

type junitCase struct {
	Class   string        `xml:"classname,attr"`
	Name    string        `xml:"name,attr"`
	Failure *junitMessage `xml:"failure"`
	Skipped *junitMessage `xml:"skipped"`
}

type junitMessage struct {
	Message string `xml:"message,attr"`
	Type    string `xml:"type,attr,omitempty"`
	Text    string `xml:",chardata"`
}

// WriteJUnit writes the report as JUnit's XML, as CI systems show it: each class of
// changes is a test that passes if there are none, and each of its groups one that
// fails; so are registration entries that lose nodes which are still let in. Lines that
// were passed over are tests that were skipped, or failed if it is the candidate's fault:
// where the verdict is Dangerous, something failed that has this type, and so it is with
// None.
func (r *Report) WriteJUnit(w io.Writer) error {
	suite := junitSuite{Name: "gatehouse replay"}
	found := map[ClassName]*Class{}
	for i := range r.Classes {
		found[r.Classes[i].Name] = &r.Classes[i]
	}
	for _, c := range classes {
		class := found[c.name]
		if class == nil {
			suite.Cases = append(suite.Cases, junitCase{Class: string(c.name), Name: "none"})
			continue
		}
		kind := Changes
		if c.dangerous {
			kind = Dangerous
		}
		for _, group := range class.Groups {
			message := fmt.Sprintf("%s: %d decisions: %s", c.title, group.Decisions, group.Key)
			suite.Cases = append(suite.Cases, junitCase{
				Class: string(c.name), Name: group.Key,
				Failure: &junitMessage{Message: message, Type: string(kind), Text: c.meaning + "\n" + group.junitText()},
			})
		}
	}
	if r.Entries != nil {
		suite.Cases = append(suite.Cases, r.Entries.junitCase())
	}
	for _, remark := range r.Log.Skipped {
		c := junitCase{Class: "skipped", Name: remark.Why}
		message := junitMessage{Message: fmt.Sprintf("%d lines, the first %s", remark.Lines, remark.First), Text: remark.Detail}
		if remark.loading {
			message.Type = string(Dangerous)
			c.Failure = &message
		} else {
			c.Skipped = &message
		}
		suite.Cases = append(suite.Cases, c)
	}
	if r.Log.Replayed == 0 {
		suite.Cases = append(suite.Cases, junitCase{
			Class: "log", Name: "nothing was replayed", Failure: &junitMessage{Message: ErrNothing.Error(), Type: string(None)},
		})
	}
	for _, c := range suite.Cases {
		suite.Tests++
		if c.Failure != nil {
			suite.Failures++
		}
		if c.Skipped != nil {
			suite.Skipped++
		}
	}
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return err
	}
	encoder := xml.NewEncoder(w)
	encoder.Indent("", "  ")
	if err := encoder.Encode(suite); err != nil {
		return err
	}
	_, err := io.WriteString(w, "\n")
	return err
}

func (e *EntriesReport) junitCase() junitCase {
	c := junitCase{Class: "entries", Name: "none"}
	if e.Detached == 0 {
		return c
	}
	var text strings.Builder
	listed := 0
	for _, effect := range e.Affected {
		if effect.Detached == 0 {
			continue
		}
		if listed == maxJUnitEntries {
			fmt.Fprintf(&text, "and %d more\n", e.Detached-listed)
			break
		}
		fmt.Fprintf(&text, "%s %s: lost in %d decisions of nodes that are still let in\n", effect.ID, effect.SPIFFEID, effect.Detached)
		listed++
	}
	c.Name = "lose nodes"
	c.Failure = &junitMessage{
		Message: fmt.Sprintf("Registration entries that lose nodes which are still let in: %d", e.Detached),
		Type:    string(Dangerous), Text: text.String(),
	}
	return c
}

func (g *Group) junitText() string {
	var b strings.Builder
	if len(g.At) > 0 {
		fmt.Fprintf(&b, "at %s\n", strings.Join(g.At, ", "))
	}
	for _, c := range g.Samples {
		fmt.Fprintf(&b, "%s:%d decision %s of %s\n", c.File, c.Line, c.DecisionID, c.Node)
	}
	return b.String()
}
