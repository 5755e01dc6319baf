package fault_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/spire-gatehouse/gatehouse/e2e/standin/fault"
	"github.com/spire-gatehouse/gatehouse/internal/testwait"
)

const answer = "an answer of some length"

func serve(t *testing.T, seed uint64) (*fault.Injector, string) {
	t.Helper()
	injector := fault.New(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, answer) }), seed)
	server := httptest.NewServer(injector)
	t.Cleanup(server.Close)
	return injector, server.URL
}

// ask calls an API, and says what came: the status, the text, and whether all went
// well on the way.
func ask(t *testing.T, url, scope string) (status int, text string, err error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), testwait.Patience)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=AKIA/20260102/"+scope+"/aws4_request, SignedHeaders=host")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, "", err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	return response.StatusCode, string(body), err
}

func TestKinds(t *testing.T) {
	injector, url := serve(t, 1)
	for kind, tc := range map[fault.Kind]struct {
		status int
		text   string // "" for any
		broken bool
	}{
		fault.Late: {200, answer, false}, fault.Throttled: {503, "", false}, fault.Failed: {500, "", false},
		fault.Reset: {0, "", true}, fault.Truncated: {200, answer[:len(answer)/2], true}, fault.Malformed: {200, `<html><{"`, false},
	} {
		injector.Set(fault.Rule{API: "ec2", Region: "us-east-1", Share: 1, Kinds: []fault.Kind{kind}})
		status, text, err := ask(t, url, "us-east-1/ec2")
		if status != tc.status || (err != nil) != tc.broken || tc.text != "" && text != tc.text {
			t.Errorf("%s: got %d, %q, %v", kind, status, text, err)
		}
		for _, other := range []string{"us-west-2/ec2", "us-east-1/iam"} {
			if status, text, err := ask(t, url, other); status != 200 || text != answer || err != nil {
				t.Errorf("%s of another API: got %d, %q, %v", kind, status, text, err)
			}
		}
	}
	injector.Set()
	if status, _, err := ask(t, url, "us-east-1/ec2"); status != 200 || err != nil {
		t.Errorf("without rules: got %d, %v", status, err)
	}
}

// TestSeed: the same seed, the same faults.
func TestSeed(t *testing.T) {
	run := func(seed uint64) string {
		injector, url := serve(t, seed)
		injector.Set(fault.Rule{Share: 0.5, Kinds: []fault.Kind{fault.Failed}})
		pattern := ""
		for range 40 {
			status, _, err := ask(t, url, "us-east-1/ec2")
			if err != nil {
				t.Fatal(err)
			}
			pattern += map[int]string{200: ".", 500: "x"}[status]
		}
		return pattern
	}
	if first, again := run(7), run(7); first != again || first == run(8) {
		t.Errorf("got %s, then %s", first, again)
	}
}
