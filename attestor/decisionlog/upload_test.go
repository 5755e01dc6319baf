package decisionlog

import (
	"compress/gzip"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/go-hclog"

	"github.com/spire-gatehouse/gatehouse/internal/testwait"
)

// collector is a service to which OPA's plugin uploads.
type collector struct {
	mu     sync.Mutex
	events []map[string]any
	asked  []string // URL and authorization of each upload
	refuse int      // so many uploads
}

func (c *collector) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.asked = append(c.asked, r.URL.Path+" "+r.Header.Get("Authorization"))
	if c.refuse > 0 {
		c.refuse--
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	unpacked, err := gzip.NewReader(r.Body)
	if err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	var events []map[string]any
	if err := json.NewDecoder(unpacked).Decode(&events); err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	c.events = append(c.events, events...)
}

func uploadTo(url, reporting string) Config {
	return Config{Upload: &Upload{
		Services:     fmt.Appendf(nil, `{"collector": {"url": %q, "response_header_timeout_seconds": 240, "credentials": {"bearer": {"token": "hush"}}}}`, url),
		DecisionLogs: fmt.Appendf(nil, `{"service": "collector", "resource": "/decisions", "reporting": %s}`, reporting),
	}}
}

const soon = `{"buffer_size_limit_bytes": 1000000, "upload_size_limit_bytes": 100000, "min_delay_seconds": 1, "max_delay_seconds": 1}`

// TestUpload: what is uploaded is what is written elsewhere, and an upload that was
// refused is made again.
func TestUpload(t *testing.T) {
	t.Parallel()
	c := &collector{refuse: 1}
	server := httptest.NewServer(c)
	defer server.Close()
	policy := `mask contains "/input/facts"

drop if input.decision_id == "2"`
	engine := engineWith(t, policy)
	l, logged := start(t, uploadTo(server.URL, soon))
	for _, id := range []string{"1", "2", "3"} {
		l.Put(denial(t, engine, id))
	}
	<-l.Close()

	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.asked) < 2 || c.asked[0] != "/decisions Bearer hush" {
		t.Errorf("uploads %q", c.asked)
	}
	if len(c.events) != 3 || c.events[0]["path"] != ConfigPath {
		t.Fatalf("got %d events, want a configuration and two decisions: %v", len(c.events), c.events)
	}
	for i, id := range []string{"1", "3"} {
		e := denial(t, engine, id)
		want, err := written(t, e)
		if err != nil {
			t.Fatal(err)
		}
		// OPA notes its own masks only, and has labels of its own: those of its manager.
		custom := want["custom"].(map[string]any)
		custom["erased"] = want["erased"]
		delete(want, "erased")
		want["labels"] = map[string]any{"id": "1", "plugin": "aws_iid", "trust_domain": "example.org", "version": at(c.events[0], "labels", "version"), "gatehouse": at(c.events[0], "labels", "gatehouse")}
		if diff := cmp.Diff(want, c.events[i+1]); diff != "" {
			t.Errorf("decision %s (-want +got):\n%s", id, diff)
		}
	}
	if lines := logged.lines(t, lostEvents); len(lines) != 0 || l.Lost() != 0 {
		t.Errorf("lost %d: %v", l.Lost(), lines)
	}
}

// TestUploadNobody: a service that is down costs no memory beyond its bound, and
// what has no room there is counted.
func TestUploadNobody(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.NotFoundHandler())
	server.Close()
	l, logged := start(t, uploadTo(server.URL, `{"buffer_type": "event", "buffer_size_limit_events": 10, "min_delay_seconds": 3600, "max_delay_seconds": 3600}`))
	const events = 200
	engine := engineWith(t, "")
	for i := range events {
		l.Put(denial(t, engine, fmt.Sprint(i)))
	}
	testwait.Until(t, func() string {
		if lost := l.Lost(); lost < events/2 {
			return fmt.Sprintf("%d events lost", lost)
		}
		return ""
	})
	<-l.Close()
	lines := logged.lines(t, lostEvents)
	if len(lines) == 0 || lines[0]["upload"] == nil {
		t.Errorf("the server's log does not say so: %v", lines)
	}
	if len(logged.lines(t, "Decision log upload")) == 0 {
		t.Error("the server's log does not say that the service is down")
	}
}

// TestUploadSecrets: what OPA says of an upload that fails has the URL in it, which may be
// signed, and what the giver of tokens answers, who may repeat what he was asked.
func TestUploadSecrets(t *testing.T) {
	t.Parallel()
	const hush = "hush-hush"
	echo := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusBadRequest)
		_, secret, _ := r.BasicAuth()
		fmt.Fprintf(w, "not the secret of this client: %s", secret)
	}))
	defer echo.Close()
	nobody := httptest.NewServer(http.NotFoundHandler())
	nobody.Close()
	credentials := fmt.Sprintf(`{"oauth2": {"token_url": %q, "client_id": "gatehouse", "client_secret": %q}}`, echo.URL, hush)
	t.Run("all", func(t *testing.T) {
		for name, tc := range map[string]struct{ service, resource, want string }{
			"signed URL":   {fmt.Sprintf(`{"url": %q}`, nobody.URL), "/decisions?sig=" + hush, "/decisions?[redacted]"},
			"token's echo": {fmt.Sprintf(`{"url": %q, "allow_insecure_tls": true, "credentials": %s}`, nobody.URL, credentials), "/decisions", "this client: [redacted]"},
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				l, logged := start(t, Config{Upload: &Upload{
					Services:     fmt.Appendf(nil, `{"collector": %s}`, tc.service),
					DecisionLogs: fmt.Appendf(nil, `{"service": "collector", "resource": %q, "reporting": %s}`, tc.resource, soon),
				}})
				l.Put(denial(t, nil, "1"))
				<-l.Close()
				lines := fmt.Sprint(logged.lines(t, "Decision log upload"))
				if !strings.Contains(lines, tc.want) || strings.Contains(lines, hush) {
					t.Errorf("want %q, and nowhere %q: %s", tc.want, hush, lines)
				}
			})
		}
	})
	_, err := Start(Config{Upload: &Upload{
		Services:     []byte(`{"collector": {"url": "https://example.org"}}`),
		DecisionLogs: []byte(`{"service": "collector", "resource": "/%zz?sig=` + hush + `"}`),
	}}, testLabels, hclog.NewNullLogger(), nil)
	if err == nil || strings.Contains(err.Error(), hush) {
		t.Errorf("got %v", err)
	}
}

func TestUploadThatCannotBe(t *testing.T) {
	_, logger := newServerLog()
	for name, config := range map[string]*Upload{
		"no services":     {DecisionLogs: []byte(`{"service": "x"}`), Services: []byte(`{}`)},
		"unknown service": {DecisionLogs: []byte(`{"service": "x"}`), Services: []byte(`{"y": {"url": "https://example.org"}}`)},
		"no JSON":         {DecisionLogs: []byte(`{"service": "x"}`), Services: []byte(`{`)},
		"no decision log": {DecisionLogs: []byte(`{}`), Services: []byte(`{}`)},
	} {
		if l, err := Start(Config{Upload: config}, testLabels, logger, nil); err == nil {
			t.Errorf("%s: got %v", name, l)
		}
	}
}
