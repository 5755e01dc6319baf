package rego

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"testing/synctest"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/tester"
	"github.com/open-policy-agent/opa/v1/topdown"
)

// TestSourceBounds tries what a policy's files may be on both sides of each bound.
func TestSourceBounds(t *testing.T) {
	files := func(n int, pattern string, content []byte) fstest.MapFS {
		all := fstest.MapFS{}
		for i := range n {
			all[fmt.Sprintf(pattern, i)] = &fstest.MapFile{Data: content}
		}
		return all
	}
	largest := make([]byte, MaxPolicyFileBytes)
	for name, tc := range map[string]struct {
		limit  int
		source func(n int) fstest.MapFS
		beyond string
	}{
		"files":   {MaxPolicyFiles, func(n int) fstest.MapFS { return files(n, "f%d.rego", nil) }, "policy has more than 1000 files"},
		"entries": {MaxPolicyEntries, func(n int) fstest.MapFS { return files(n-1, "f%d.txt", nil) }, "policy's directory has more than 10000 entries"}, // the directory is one
		"depth": {maxDepth, func(n int) fstest.MapFS {
			return fstest.MapFS{strings.Repeat("a/", n) + "x.rego": {}}
		}, "is more than 16 folders deep"},
		"bytes of a file": {MaxPolicyFileBytes, func(n int) fstest.MapFS {
			return fstest.MapFS{"x.rego": {Data: append(largest, '\n')[:n]}}
		}, "x.rego: is larger than 4194304 bytes"},
		"bytes": {MaxPolicyBytes, func(n int) fstest.MapFS {
			all := files(n/len(largest), "f%02d.rego", largest)
			all["last.rego"] = &fstest.MapFile{Data: largest[:n%len(largest)]}
			return all
		}, "policy's files have more than 67108864 bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := readFiles(tc.source(tc.limit)); err != nil {
				t.Errorf("at %d: %v", tc.limit, err)
			}
			if _, err := readFiles(tc.source(tc.limit + 1)); err == nil || !strings.Contains(err.Error(), tc.beyond) {
				t.Errorf("at %d: got %v, want one with %q", tc.limit+1, err, tc.beyond)
			}
		})
	}
}

// TestAnswerBounds tries what an answer's sets may be where TestGuardPasses and
// TestGuardRefusesDecision don't.
func TestAnswerBounds(t *testing.T) {
	facts := func(n int) error {
		_, err := decodeAdmission(change{"facts": `{"required": ` + texts(n) + `, "optional": set()}`}.of(goodAdmission()), testGuard, nil)
		return err
	}
	masks := func(n int) error {
		var paths []*ast.Term
		for i := range n {
			paths = append(paths, ast.StringTerm(fmt.Sprint("/input/", i)))
		}
		_, err := decodeMasks(ast.NewSet(paths...))
		return err
	}
	for name, tc := range map[string]struct {
		limit  int
		decode func(n int) error
		beyond string
	}{
		"facts": {maxNames, facts, "facts.required: there are 101, more than 100"},
		"masks": {maxMasks, masks, "there are 1001, more than 1000"},
		"depth of the input": {maxInputDepth, func(n int) error {
			value := any("x")
			for range n {
				value = []any{value}
			}
			_, err := (&encoder{}).encode(value)
			return err
		}, "nested deeper than 32"},
	} {
		t.Run(name, func(t *testing.T) {
			if err := tc.decode(tc.limit); err != nil {
				t.Errorf("at %d: %v", tc.limit, err)
			}
			if err := tc.decode(tc.limit + 1); err == nil || !strings.Contains(err.Error(), tc.beyond) {
				t.Errorf("at %d: got %v, want one with %q", tc.limit+1, err, tc.beyond)
			}
		})
	}
}

// TestFailureBounds: of many failed tests and cases the first are told, and how many
// there are more.
func TestFailureBounds(t *testing.T) {
	failed := func(tests int, cases ...string) string {
		var results []*tester.Result
		for range tests {
			result := &tester.Result{Location: ast.NewLocation(nil, "x_test.rego", 3, 1), Name: "test_x", Fail: true, SubResults: tester.SubResultMap{}}
			for _, name := range cases {
				result.SubResults[name] = &tester.SubResult{Name: name, Fail: true}
			}
			results = append(results, result)
		}
		return failures(results).Error()
	}
	numbered := func(n int) (names []string) {
		for i := range n {
			names = append(names, fmt.Sprintf("%02d", i))
		}
		return names
	}
	long := strings.Repeat("n", maxNameBytes)
	const fails = "x_test.rego:3: test_x fails"
	all := strings.Repeat(fails+"\n", maxFailures)
	for name, tc := range map[string]struct{ got, want string }{
		"tests":       {failed(maxFailures) + "\n", all},
		"more tests":  {failed(maxFailures + 1), all + "tests: 1 more fail"},
		"cases":       {failed(1, numbered(maxFailedCases)...), fails + ` for "00", "01", "02", "03", "04"`},
		"more cases":  {failed(1, numbered(maxFailedCases+1)...), fails + ` for "00", "01", "02", "03", "04", 1 more`},
		"a name":      {failed(1, long), fails + ` for "` + long + `"`},
		"a long name": {failed(1, long+"n"), fails + ` for "` + long + `"`},
	} {
		if tc.got != tc.want {
			t.Errorf("%s: got\n%s\nwant\n%s", name, tc.got, tc.want)
		}
	}
}

// TestSuggestionBounds: a name that no rule could have is compared with none.
func TestSuggestionBounds(t *testing.T) {
	for n, want := range map[int]int{maxNameBytes: 1, maxNameBytes + 1: 0} {
		name := strings.Repeat("n", n)
		if got := closest(name, []string{name[1:]}); len(got) != want {
			t.Errorf("%d bytes: got %q, want %d", n, got, want)
		}
	}
}

// TestExplanationBounds tries what an explanation shows on both sides.
func TestExplanationBounds(t *testing.T) {
	for n, want := range map[int]Read{maxReadBytes: {Ref: "data.x"}, maxReadBytes + 1: {Ref: "data.x", Bytes: maxReadBytes + 1}} {
		text := strings.Repeat("x", n-len(`""`))
		if want.Bytes == 0 {
			want.Value = text
		}
		if got, err := newRead(ast.MustParseRef("data.x"), ast.String(text)); err != nil || got != want {
			t.Errorf("a value of %d bytes: got %.80v, %v", n, got, err)
		}
	}
	var events traceEvents
	for range maxTraceEvents {
		events.TraceEvent(topdown.Event{})
	}
	if len(events.events) != maxTraceEvents || events.dropped != 0 {
		t.Errorf("%d events, %d were dropped", len(events.events), events.dropped)
	}
	events.TraceEvent(topdown.Event{})
	if len(events.events) != maxTraceEvents || events.dropped != 1 {
		t.Errorf("one more: %d events, %d were dropped", len(events.events), events.dropped)
	}
}

// TestEvaluationTimes: what they do is for TestDeadlineStopsPolicy and
// TestEndlessTests, which take less of it.
func TestEvaluationTimes(t *testing.T) {
	if got := (Options{}).timeout(); got != DefaultTimeout {
		t.Errorf("an evaluation may take %v, want %v", got, DefaultTimeout)
	}
	if got := (Options{Timeout: time.Minute}).timeout(); got != time.Minute {
		t.Errorf("an evaluation may take %v, want the minute that it was given", got)
	}
	if got := (&Engine{timeout: time.Minute}).explainTime(); got != explainFactor*time.Minute {
		t.Errorf("an explanation may take %v, want %d minutes", got, explainFactor)
	}
	for timeout, want := range map[time.Duration]time.Duration{time.Minute: maxMaskTime, time.Millisecond: time.Millisecond} {
		if got := (&Engine{timeout: timeout}).maskTime(); got != want {
			t.Errorf("a question about an event may take %v, want %v", got, want)
		}
	}
	if s := newSuite(nil, nil, nil); s.testTime != maxTestTime || s.allTestsTime != maxAllTestsTime {
		t.Errorf("a test may take %v and all of them %v, want %v and %v", s.testTime, s.allTestsTime, maxTestTime, maxAllTestsTime)
	}
}

// TestEndlessTests: tests that never end, end: each by its own limit, or all of them
// by theirs.
func TestEndlessTests(t *testing.T) {
	const endless = "package x_test\n\ntest_x if count([1 | some i in numbers.range(1, 100000); some j in numbers.range(1, 100000); i == j + 200000]) == 1\n"
	caps := capabilities()
	src, err := readSource(fstest.MapFS{"x_test.rego": {Data: []byte(endless)}}, func(string) bool { return true }, caps)
	if err != nil {
		t.Fatal(err)
	}
	s := newSuite(src, func(string) bool { return true }, caps)
	s.testTime = 20 * time.Millisecond
	results, err := s.run(t.Context())
	if err != nil || len(results) != 1 || !topdown.IsCancel(results[0].Error) {
		t.Errorf("one test: got %v, %v", results, err)
	}
	s.testTime, s.allTestsTime = time.Hour, 20*time.Millisecond
	if results, err = s.run(t.Context()); !errors.Is(err, context.DeadlineExceeded) || err.Error() != "tests: not done within 20ms: context deadline exceeded" {
		t.Errorf("all tests: got %v, %v", results, err)
	}
}

// TestTrialBytes: a policy under trial may take so much more than there was, and
// no more.
func TestTrialBytes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const before = 1 << 30
		var heap atomic.Uint64
		heap.Store(before)
		var garbage atomic.Uint64
		limited, stop := boundHeap(t.Context(), heap.Load, func() { heap.Add(-garbage.Swap(0)) })
		defer stop()
		synctest.Wait()
		heap.Add(maxTrialBytes)
		time.Sleep(memoryInterval)
		synctest.Wait()
		if err := limited.Err(); err != nil {
			t.Fatalf("all that it may take: %v", context.Cause(limited))
		}
		garbage.Store(maxTrialBytes)
		heap.Add(maxTrialBytes)
		time.Sleep(memoryInterval)
		synctest.Wait()
		if err := limited.Err(); err != nil {
			t.Fatalf("as much again that it does not hold: %v", context.Cause(limited))
		}
		heap.Add(1)
		time.Sleep(memoryInterval)
		synctest.Wait()
		if err := limited.Err(); err != nil {
			t.Fatalf("so soon after it was collected: %v", context.Cause(limited))
		}
		heap.Add(maxTrialBytes / 8)
		time.Sleep(memoryInterval)
		synctest.Wait()
		if err := context.Cause(limited); err == nil || err.Error() != "took more than 256 MiB of memory" {
			t.Errorf("an eighth more: %v", err)
		}
	})
}
