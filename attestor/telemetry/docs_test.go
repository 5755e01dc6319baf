package telemetry

import (
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// table is the table of docs/metrics.md.
func table() string {
	var b strings.Builder
	b.WriteString("| metric | kind | labels | what it is |\n|---|---|---|---|\n")
	for _, m := range All() {
		var labels []string
		for _, l := range m.Labels {
			if l.Values == nil {
				labels = append(labels, fmt.Sprintf("`%s`: up to %d", l.Name, l.Max))
			} else {
				labels = append(labels, fmt.Sprintf("`%s`: `%s`", l.Name, strings.Join(l.Values, "`, `")))
			}
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", m.Name, m.Kind, strings.Join(labels, "; "), m.Help)
	}
	return b.String()
}

// TestPage: the table in docs/metrics.md is the list of metrics.
func TestPage(t *testing.T) {
	page, err := os.ReadFile("../../docs/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(page), "\n"+table()+"\n") {
		t.Errorf("docs/metrics.md lacks the table as it should be:\n%s", table())
	}
	total := 0
	for _, m := range All() {
		total += m.Series()
	}
	if want := fmt.Sprintf("At most %d series", total); !strings.Contains(string(page), want) {
		t.Errorf("docs/metrics.md doesn't say %q", want)
	}
}

// TestAlerts: each query of the page asks for what there is.
func TestAlerts(t *testing.T) {
	page, err := os.ReadFile("../../docs/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	_, alerts, _ := strings.Cut(string(page), "\n## What to alert on\n")
	found := inExpression.FindAllStringSubmatch(alerts, -1)
	if len(found) == 0 {
		t.Error("there are no queries")
	}
	for _, match := range found {
		if m := metricOf(match[1]); m == nil {
			t.Errorf("there is no metric %s", match[1])
		} else {
			checkMatchers(t, "alert", m, match[2])
		}
	}
}

// TestList: each name is there once, and says what is right for its kind.
func TestList(t *testing.T) {
	names := map[string]bool{}
	for _, m := range All() {
		if names[m.Name] || !regexp.MustCompile(`^[a-z][a-z_]*$`).MatchString(m.Name) {
			t.Errorf("name %q", m.Name)
		}
		names[m.Name] = true
		if !strings.HasSuffix(m.Help, ".") || strings.ContainsAny(m.Help, "|\n") {
			t.Errorf("%s: help %q", m.Name, m.Help)
		}
		if m.Kind == Summary && !strings.Contains(m.Help, "seconds") {
			t.Errorf("%s: help %q has no unit", m.Name, m.Help)
		}
		for _, l := range m.Labels {
			if (l.Values == nil) != (l.Max > 0) || l.Name == "plugin" {
				t.Errorf("%s: label %+v", m.Name, l)
			}
		}
	}
}

var (
	inExpression = regexp.MustCompile(`spire_server_gatehouse_([a-z_]+)(\{[^}]*\})?`)
	matcher      = regexp.MustCompile(`([a-z_]+)\s*(=~|!=|!~|=)\s*"([^"]*)"`)
	grouping     = regexp.MustCompile(`by\s*\(([^)]*)\)`)
)

// TestDashboard: each query of the dashboard asks for metrics that there are, with
// labels and values that they have.
func TestDashboard(t *testing.T) {
	text, err := os.ReadFile("../../docs/grafana/gatehouse.json")
	if err != nil {
		t.Fatal(err)
	}
	var dashboard struct {
		Panels []struct {
			Title, Type string
			Targets     []struct{ Expr string }
		}
	}
	if err := json.Unmarshal(text, &dashboard); err != nil {
		t.Fatal(err)
	}
	asked := map[string]bool{}
	for _, panel := range dashboard.Panels {
		if len(panel.Targets) == 0 && panel.Type != "row" {
			t.Errorf("panel %q asks nothing", panel.Title)
		}
		for _, target := range panel.Targets {
			found := inExpression.FindAllStringSubmatch(target.Expr, -1)
			if len(found) == 0 {
				t.Errorf("panel %q: %s asks for no metric of ours", panel.Title, target.Expr)
			}
			var labels []string
			for _, match := range found {
				m := metricOf(match[1])
				if m == nil {
					t.Errorf("panel %q: there is no metric %s", panel.Title, match[1])
					continue
				}
				asked[m.Name] = true
				labels = append(labels, checkMatchers(t, panel.Title, m, match[2])...)
			}
			for _, group := range grouping.FindAllStringSubmatch(target.Expr, -1) {
				for name := range strings.SplitSeq(group[1], ",") {
					if !slices.Contains(labels, strings.TrimSpace(name)) {
						t.Errorf("panel %q: %s groups by %s, which is no label", panel.Title, target.Expr, name)
					}
				}
			}
		}
	}
	for _, m := range All() {
		if !asked[m.Name] {
			t.Errorf("no panel shows %s", m.Name)
		}
	}
}

// metricOf finds the metric of a series: a summary has three.
func metricOf(series string) *Metric {
	for _, m := range All() {
		if series == m.Name || m.Kind == Summary && (series == m.Name+"_sum" || series == m.Name+"_count") {
			return m
		}
	}
	return nil
}

// checkMatchers returns the labels of a metric.
func checkMatchers(t *testing.T, panel string, m *Metric, matchers string) []string {
	t.Helper()
	labels := []string{"plugin", "host", "instance"}
	for _, l := range m.Labels {
		labels = append(labels, l.Name)
	}
	if m.Kind == Summary {
		labels = append(labels, "quantile")
	}
	for _, match := range matcher.FindAllStringSubmatch(matchers, -1) {
		name, operator, value := match[1], match[2], match[3]
		if !slices.Contains(labels, name) {
			t.Errorf("panel %q: %s has no label %s", panel, m.Name, name)
		}
		values := []string{value}
		if operator == "=~" || operator == "!~" {
			values = strings.Split(strings.ReplaceAll(value, `\|`, "|"), "|") // as a table has it
		}
		for _, l := range m.Labels {
			for _, value := range values {
				if l.Name == name && l.Values != nil && !slices.Contains(l.Values, value) {
					t.Errorf("panel %q: %s of %s is never %s", panel, name, m.Name, value)
				}
			}
		}
	}
	return labels
}
