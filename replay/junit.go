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
// fails; lines that were passed over are tests that were skipped.
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
	for _, remark := range r.Log.Skipped {
		suite.Cases = append(suite.Cases, junitCase{
			Class: "skipped", Name: remark.Why,
			Skipped: &junitMessage{Message: fmt.Sprintf("%d lines, the first %s", remark.Lines, remark.First), Text: remark.Detail},
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
