package rego_test

import (
	"bytes"
	"context"
	"encoding/json"
	"math"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/spire-gatehouse/gatehouse/rego"
)

// listening hears of the questions that are asked with its context.
func listening(t *testing.T) (context.Context, *[]rego.Asked) {
	var all []rego.Asked
	return rego.WithObserver(t.Context(), func(a rego.Asked) { all = append(all, a) }), &all
}

// onlyOne is the one question that was asked.
func onlyOne(t *testing.T, all *[]rego.Asked) rego.Asked {
	t.Helper()
	if len(*all) != 1 {
		t.Fatalf("heard of %d questions, want one", len(*all))
	}
	return (*all)[0]
}

func text(t *testing.T, value any, err error) string {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestAskedAgain: what was asked can be asked again, and has the same answer. The
// policy answers with all of its input, and with texts that show how a number was
// written.
func TestAskedAgain(t *testing.T) {
	opts := overlayOptions(t, map[string]string{"mirror.rego": `package gatehouse.aws_iid

violation contains {"rule": "mirror", "msg": sprintf("%v %v", [path, value])} if {
	some path, value in object.get(input, ["facts", "numbers"], {})
}

violation contains {"rule": "mirror", "msg": substring(json.marshal(input), 0, 1000)}
`})
	engine := newEngine(t, opts)
	in := decisionInput()
	in.Facts["numbers"] = map[string]any{
		"small": 1, "big": int64(9007199254740993), "large": uint64(18446744073709551615),
		"half": 0.5, "huge": 1e300, "tiny": 5e-324, "minus": math.Copysign(0, -1), "exact": 1.0,
		"read": json.Number("1.50"), "count": json.Number("7"),
	}
	ask := func(t *testing.T, question string, in rego.Input) (input, answer string) {
		t.Helper()
		ctx, all := listening(t)
		var err error
		if question == "admission" {
			_, err = engine.Admit(ctx, in)
		} else {
			_, err = engine.Decide(ctx, in)
		}
		if err != nil {
			t.Fatal(err)
		}
		asked := onlyOne(t, all)
		if asked.Question != question {
			t.Errorf("heard of question %q, want %q", asked.Question, question)
		}
		value, err := asked.Input()
		input = text(t, value, err)
		value, err = asked.Answer()
		return input, text(t, value, err)
	}
	nothing := decisionInput()
	nothing.Facts, nothing.FactsStatus = nil, nil
	for name, tc := range map[string]struct {
		question string
		in       rego.Input
	}{
		"admission":                 {"admission", admissionInput()},
		"decision":                  {"decision", in},
		"decision without any fact": {"decision", nothing},
	} {
		t.Run(name, func(t *testing.T) {
			input, answer := ask(t, tc.question, tc.in)
			decoded, err := rego.DecodeInput([]byte(input))
			if err != nil {
				t.Fatal(err)
			}
			inputAgain, answerAgain := ask(t, tc.question, decoded)
			if input != inputAgain || answer != answerAgain {
				t.Errorf("input\n%s\nagain\n%s\nanswer\n%s\nagain\n%s", input, inputAgain, answer, answerAgain)
			}
			if tc.question == "decision" && !strings.Contains(answer, `"mirror"`) {
				t.Errorf("the policy did not see its input: %s", answer)
			}
		})
	}
}

// TestAskedWhatAnswered: an observer gets policy's own answer, before enforcement,
// also where it is no good.
func TestAskedWhatAnswered(t *testing.T) {
	t.Run("before enforcement", func(t *testing.T) {
		engine := newEngine(t, enforced(t, map[string]any{"late": "off", "early": "warn"}, map[string]string{"checks.rego": checks}))
		ctx, all := listening(t)
		decision, err := engine.Decide(ctx, decisionInput())
		if err != nil || len(decision.Denials()) > 0 {
			t.Fatal(decision, err)
		}
		asked := onlyOne(t, all)
		answer, err := asked.Answer()
		if err != nil {
			t.Fatal(err)
		}
		violations := answer.(map[string]any)["violations"]
		want := []any{
			map[string]any{"rule": "early", "msg": "e"},
			map[string]any{"rule": "late", "msg": "l1"},
			map[string]any{"rule": "late", "msg": "l2"},
		}
		if diff := cmp.Diff(want, violations); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		fired := []rego.Fired{{"early", "warned"}, {"late", "off"}, {"late", "warned"}, {"zebra", "warned"}}
		if diff := cmp.Diff(fired, asked.Fired()); diff != "" {
			t.Errorf("fired (-want +got):\n%s", diff)
		}
	})
	t.Run("exempt and denied", func(t *testing.T) {
		engine := newEngine(t, enforced(t, map[string]any{"late": "warn"}, map[string]string{"checks.rego": checks}))
		ctx, all := listening(t)
		in := decisionInput()
		in.TrustDomain = "exempt.test"
		if _, err := engine.Decide(ctx, in); err != nil {
			t.Fatal(err)
		}
		want := []rego.Fired{{"early", "denied"}, {"late", "exempt"}, {"late", "warned"}, {"zebra", "warned"}}
		if diff := cmp.Diff(want, onlyOne(t, all).Fired()); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
	t.Run("an answer that is refused", func(t *testing.T) {
		engine := newEngine(t, overlayOptions(t, map[string]string{"bad.rego": `package gatehouse.aws_iid

selector contains "\n"
`}))
		ctx, all := listening(t)
		if _, err := engine.Decide(ctx, decisionInput()); err == nil {
			t.Fatal("the answer was taken")
		}
		asked := onlyOne(t, all)
		answer, err := asked.Answer()
		if got := text(t, answer, err); !strings.Contains(got, `"\n"`) {
			t.Errorf("the answer is not there: %s", got)
		}
	})
	t.Run("no answer", func(t *testing.T) {
		engine := newEngine(t, overlayOptions(t, map[string]string{"fails.rego": `package gatehouse.aws_iid

violation contains {"rule": "fails", "msg": json.unmarshal(input.evidence.region)}
`}))
		ctx, all := listening(t)
		if _, err := engine.Decide(ctx, decisionInput()); err == nil {
			t.Fatal("there is an answer")
		}
		asked := onlyOne(t, all)
		answer, err := asked.Answer()
		if answer != nil || err != nil || asked.Answered() || asked.Fired() != nil {
			t.Errorf("got answer %v, %v; fired %v", answer, err, asked.Fired())
		}
		input, err := asked.Input()
		if got, want := text(t, input, err), text(t, decisionInput().Document(), nil); !jsonEqual(t, got, want) {
			t.Errorf("input\n%s, want\n%s", got, want)
		}
	})
}

func jsonEqual(t *testing.T, a, b string) bool {
	t.Helper()
	decode := func(text string) (value any) {
		decoder := json.NewDecoder(bytes.NewReader([]byte(text)))
		decoder.UseNumber()
		if err := decoder.Decode(&value); err != nil {
			t.Fatal(err)
		}
		return value
	}
	return reflect.DeepEqual(decode(a), decode(b))
}

func TestNothingAsked(t *testing.T) {
	var none rego.Asked
	input, err := none.Input()
	answer, err2 := none.Answer()
	if input != nil || answer != nil || err != nil || err2 != nil || none.Fired() != nil {
		t.Errorf("got %v, %v, %v, %v, %v", input, err, answer, err2, none.Fired())
	}
}

func TestUnasked(t *testing.T) {
	engine := baselineEngine(t, baselineOptions().Config)
	asked, err := engine.Unasked("admission", admissionInput())
	if err != nil {
		t.Fatal(err)
	}
	input, err := asked.Input()
	if got, want := text(t, input, err), text(t, admissionInput().Document(), nil); !jsonEqual(t, got, want) || asked.Answered() {
		t.Errorf("got\n%s, want\n%s", got, want)
	}
	if _, err := engine.Unasked("admission", rego.Input{}); err == nil {
		t.Error("an input that is none was taken")
	}
}

func TestNumbersThatAreNone(t *testing.T) {
	engine := baselineEngine(t, baselineOptions().Config)
	for _, text := range []string{"", " 1", "true", `"1"`, "0x10", "NaN", "01", "--1"} {
		in := decisionInput()
		in.Facts["number"] = json.Number(text)
		if _, err := engine.Decide(t.Context(), in); err == nil || !strings.Contains(err.Error(), "is no number of JSON") {
			t.Errorf("%q: got %v", text, err)
		}
	}
}
