package replay

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"github.com/spire-gatehouse/gatehouse/internal/testwait"
	"github.com/spire-gatehouse/gatehouse/replay"
	"github.com/spire-gatehouse/gatehouse/replay/page"
)

const install = "apt-get install chromium"

// browser starts a headless Chromium. Without one the test is skipped, but for CI.
func browser(t *testing.T) context.Context {
	t.Helper()
	path := os.Getenv("CHROMIUM")
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome", "chrome", "headless-shell"} {
		if found, err := exec.LookPath(name); err == nil && path == "" {
			path = found
		}
	}
	if path == "" {
		text := "no Chromium was found: install one (" + install + "), or name it in CHROMIUM"
		if os.Getenv("CI") != "" {
			t.Fatal(text)
		}
		t.Skip(text)
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.NoSandbox,
		chromedp.UserDataDir(profile(t)), chromedp.WSURLReadTimeout(testwait.Patience))
	ctx, stop := chromedp.NewExecAllocator(t.Context(), options...)
	t.Cleanup(stop)
	ctx, stop = chromedp.NewContext(ctx)
	t.Cleanup(stop)
	return ctx
}

// profile is a directory for a browser. Its processes, of which only the first is waited
// for, may still write to it when it is removed.
func profile(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "gatehouse-chromium-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		testwait.Until(t, func() string {
			if err := os.RemoveAll(dir); err != nil {
				return err.Error()
			}
			return ""
		})
	})
	return dir
}

// opened writes a report's page, and opens it. What the page asks of the network, and
// what goes wrong in it, is a failure of the test.
func opened(t *testing.T, report *replay.Report) context.Context {
	t.Helper()
	ctx := browser(t)
	name := filepath.Join(t.TempDir(), "report.html")
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(page.Write(f, report), f.Close()); err != nil {
		t.Fatal(err)
	}
	url := "file://" + name
	if err := chromedp.Listen(ctx, func(event any) {
		switch e := event.(type) {
		case *network.EventRequestWillBeSent:
			if e.Request.URL != url {
				t.Errorf("the page asks for %s", e.Request.URL)
			}
		case *runtime.EventExceptionThrown:
			t.Errorf("an exception: %v", e.ExceptionDetails)
		case *runtime.EventConsoleAPICalled:
			t.Errorf("the console gets %s %v", e.Type, e.Args)
		}
	}); err != nil {
		t.Fatal(err)
	}
	do(t, ctx, chromedp.Navigate(url))
	return ctx
}

// TestPage opens the page and clicks through it as a person would.
func TestPage(t *testing.T) {
	report, err := replay.Run(t.Context(), logs(t), replay.Options{Candidate: candidate(t, "team_required"), Coverage: true})
	if err != nil {
		t.Fatal(err)
	}
	ctx := opened(t, report)
	group := report.Classes[0].Groups[0]
	if report.Classes[0].Name != replay.NewlyDenied || group.Key != "owners" || len(group.Samples) == 0 {
		t.Fatalf("the first group is %+v of %s", group, report.Classes[0].Name)
	}

	title, verdict := get(t, ctx, chromedp.Title()), text(t, ctx, ".verdict")
	changed, before := text(t, ctx, "#changed"), text(t, ctx, "#shown")
	listed := visible(t, ctx)
	if want := "changes: team_required against recorded"; title != want {
		t.Errorf("title %q, want %q", title, want)
	}
	if verdict != "changes" || strings.ReplaceAll(changed, ",", "") != fmt.Sprint(report.Log.Changed) || before != fmt.Sprintf("%d of %d listed", len(listed), len(listed)) || len(listed) <= len(group.Samples) {
		t.Errorf("verdict %q, %s changed, %q, and %d are listed", verdict, changed, before, len(listed))
	}

	// Down into the first group, and into its first decision.
	click(t, ctx, `button[data-token="g0-0"]`)
	after := text(t, ctx, "#shown")
	var want []string
	for _, sample := range group.Samples {
		want = append(want, sample.DecisionID)
	}
	if got := visible(t, ctx); strings.Join(got, " ") != strings.Join(want, " ") {
		t.Errorf("of the first group are listed\n%v, want\n%v", got, want)
	}
	if want := fmt.Sprintf("%d of %d listed: owners", len(want), len(listed)); after != want {
		t.Errorf("it says %q, want %q", after, want)
	}
	click(t, ctx, ".change:not([hidden]) summary")
	detail := text(t, ctx, ".change:not([hidden])[open] dl")
	for _, part := range []string{want[0], "has no tag team", "owners.rego:6"} {
		if !strings.Contains(detail, part) {
			t.Errorf("the decision does not say %q: %s", part, detail)
		}
	}

	// By account, then by what is typed, then all again.
	account := report.Whom[1].Rows[0].Value
	click(t, ctx, `button[data-label="`+account+`"]`)
	for _, id := range visible(t, ctx) {
		if got := accountOf(report, id); got != account {
			t.Errorf("decision %s is about account %s, want %s", id, got, account)
		}
	}
	click(t, ctx, "#clear")
	do(t, ctx, chromedp.SendKeys(chromedp.CSS("#search"), want[1]))
	if got := visible(t, ctx); len(got) != 1 || got[0] != want[1] {
		t.Errorf("searched for %s, listed are %v", want[1], got)
	}
	click(t, ctx, "#clear")
	if got := visible(t, ctx); len(got) != len(listed) {
		t.Errorf("%d are listed in the end, want %d", len(got), len(listed))
	}
}

// TestHostilePage: what the owner of a node writes into its tags is text, wherever it
// comes to stand.
func TestHostilePage(t *testing.T) {
	const hostile = `"'><script>console.log("owned")</script><img src="https://example.com/x" onerror="console.log(1)"></style>`
	change := &replay.Change{
		File: hostile, Line: 1, DecisionID: hostile, Plugin: hostile, Node: hostile, Classes: []replay.ClassName{replay.SelectorsLost},
		Whom: map[string]string{"account": hostile},
		Old:  &replay.Answer{Outcome: replay.Allowed, AgentPath: hostile, Selectors: []string{hostile}},
		New:  &replay.Answer{Outcome: replay.Allowed, AgentPath: hostile + "2", Error: hostile},
	}
	report := &replay.Report{
		Policy: hostile, Against: hostile, Verdict: replay.Changes, Because: []string{hostile},
		Log:     replay.LogReport{Changed: 1, Replayed: 1, Skipped: []replay.Remark{{Why: hostile, First: hostile, Detail: hostile}}},
		Classes: []replay.Class{{Name: replay.SelectorsLost, Title: hostile, Groups: []replay.Group{{Key: hostile, Samples: []*replay.Change{change}}}}},
		Whom:    []replay.Dimension{{Name: "account", Rows: []replay.WhomRow{{Value: hostile, Changed: 1, Decisions: 1}}}},
	}
	ctx := opened(t, report)
	scripts := get(t, ctx, chromedp.Evaluate[int](`document.querySelectorAll("script").length`))
	images := get(t, ctx, chromedp.Evaluate[int](`document.querySelectorAll("img").length`))
	click(t, ctx, `button[data-token="g0-0"]`)
	shown := text(t, ctx, "#shown")
	if scripts != 1 || images != 0 || shown != "1 of 1 listed: "+hostile {
		t.Errorf("%d scripts, %d images, and it says %q", scripts, images, shown)
	}
}

func get[T any](t *testing.T, ctx context.Context, action chromedp.Action[T]) T {
	t.Helper()
	ctx, cancel := context.WithTimeout(ctx, testwait.Patience)
	defer cancel()
	value, err := chromedp.Run(ctx, action)
	if err != nil {
		t.Fatal(err)
	}
	return value
}

func do(t *testing.T, ctx context.Context, action chromedp.Action[chromedp.Void]) {
	t.Helper()
	get(t, ctx, action)
}

func click(t *testing.T, ctx context.Context, selector string) {
	t.Helper()
	do(t, ctx, chromedp.Click(chromedp.CSS(selector)))
}

func text(t *testing.T, ctx context.Context, selector string) string {
	t.Helper()
	return get(t, ctx, chromedp.Text(chromedp.CSS(selector)))
}

// visible lists the IDs of the decisions that a person sees in the list.
func visible(t *testing.T, ctx context.Context) []string {
	t.Helper()
	return get(t, ctx, chromedp.Evaluate[[]string](`[...document.querySelectorAll(".change")].filter(c => c.offsetParent !== null).map(c => c.querySelector("dd code").textContent)`))
}

func accountOf(r *replay.Report, id string) string {
	for _, class := range r.Classes {
		for _, group := range class.Groups {
			for _, sample := range group.Samples {
				if sample.DecisionID == id {
					return sample.Whom["account"]
				}
			}
		}
	}
	return ""
}
