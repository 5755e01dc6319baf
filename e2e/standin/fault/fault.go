// Package fault stands before a stand-in for a cloud and makes calls go wrong, as
// networks and clouds do: late, throttled, failed, cut off, or answered with what
// is no answer. Which calls, chance decides, from a seed.
//
// What a service refuses in its own words is its stand-in's own business (see
// aws.Fault): here it is what happens to calls without their being understood.
package fault

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"time"
)

// Kind is a way to go wrong.
type Kind string

// The kinds.
const (
	Late      Kind = "late"      // by up to Injector.Latency, but well
	Throttled Kind = "throttled" // told to ask less often
	Failed    Kind = "failed"    // 500
	Reset     Kind = "reset"     // the connection, before an answer
	Truncated Kind = "truncated" // the answer's second half is missing
	Malformed Kind = "malformed" // 200, and no answer
	Hung      Kind = "hung"      // no answer for as long as the caller waits
)

// All lists every kind but Hung, which costs the caller its time.
func All() []Kind { return []Kind{Late, Throttled, Failed, Reset, Truncated, Malformed} }

// A Rule says how many calls of an API go wrong.
type Rule struct {
	API    string  // as Name gives it; empty for all
	Region string  // empty for all
	Share  float64 // of the calls, 0 to 1
	Kinds  []Kind  // one of them each; nil for all
}

// An Injector is a handler before another. It is safe for concurrent use.
type Injector struct {
	// Latency bounds how late a Late call is.
	Latency time.Duration

	next http.Handler

	mu    sync.Mutex
	rand  *rand.Rand
	rules []Rule
	hits  map[Kind]int
	calls int
}

// New returns an injector that lets everything pass.
func New(next http.Handler, seed uint64) *Injector {
	return &Injector{Latency: 200 * time.Millisecond, next: next, rand: rand.New(rand.NewPCG(seed, seed)), hits: map[Kind]int{}}
}

// Set replaces the rules. The first that fits a call counts; none lets all pass.
func (i *Injector) Set(rules ...Rule) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.rules = rules
}

// Hits says how many calls there were, and how many went wrong, in which way.
func (i *Injector) Hits() (calls int, hits map[Kind]int) {
	i.mu.Lock()
	defer i.mu.Unlock()
	hits = map[Kind]int{}
	for kind, n := range i.hits {
		hits[kind] = n
	}
	return i.calls, hits
}

// Name says which API a request calls, and in which region: of AWS by the scope of
// its credentials ("ec2", "eu-central-1"), else by the path ("login", "graph",
// "management").
func Name(r *http.Request) (api, region string) {
	if _, scope, ok := strings.Cut(r.Header.Get("Authorization"), "Credential="); ok {
		scope, _, _ = strings.Cut(scope, ",")
		if parts := strings.Split(scope, "/"); len(parts) == 5 {
			return parts[3], parts[2]
		}
	}
	if strings.HasPrefix(strings.ToLower(r.URL.Path), "/providers/microsoft.resourcegraph/") {
		return "graph", ""
	}
	if strings.HasPrefix(r.URL.Path, "/subscriptions/") || strings.HasPrefix(r.URL.Path, "/providers/") {
		return "management", ""
	}
	return "login", ""
}

// draw decides about one call.
func (i *Injector) draw(api, region string) (kind Kind, late time.Duration) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.calls++
	for _, rule := range i.rules {
		if rule.API != "" && rule.API != api || rule.Region != "" && rule.Region != region {
			continue
		}
		if i.rand.Float64() >= rule.Share {
			return "", 0
		}
		kinds := rule.Kinds
		if kinds == nil {
			kinds = All()
		}
		kind = kinds[i.rand.IntN(len(kinds))]
		i.hits[kind]++
		return kind, time.Duration(i.rand.Float64() * float64(i.Latency))
	}
	return "", 0
}

// ServeHTTP implements http.Handler.
func (i *Injector) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	api, region := Name(r)
	kind, late := i.draw(api, region)
	switch kind {
	case "":
		i.next.ServeHTTP(w, r)
	case Late:
		select {
		case <-time.After(late):
			i.next.ServeHTTP(w, r)
		case <-r.Context().Done():
		}
	case Throttled:
		throttle(w, api)
	case Failed:
		http.Error(w, "internal failure", http.StatusInternalServerError)
	case Reset:
		reset(w)
	case Truncated:
		i.truncate(w, r)
	case Hung:
		<-r.Context().Done()
	case Malformed:
		_, _ = io.WriteString(w, `<html><{"`)
	}
}

// throttle refuses as the API does.
func throttle(w http.ResponseWriter, api string) {
	switch api {
	case "ec2":
		w.WriteHeader(http.StatusServiceUnavailable)
		_, _ = io.WriteString(w, `<Response><Errors><Error><Code>RequestLimitExceeded</Code><Message>Request limit exceeded.</Message></Error></Errors></Response>`)
	case "iam", "sts", "autoscaling":
		w.WriteHeader(http.StatusBadRequest)
		_, _ = io.WriteString(w, `<ErrorResponse><Error><Type>Sender</Type><Code>Throttling</Code><Message>Rate exceeded</Message></Error></ErrorResponse>`)
	case "organizations", "eks":
		w.Header().Set("X-Amzn-ErrorType", "TooManyRequestsException")
		w.WriteHeader(http.StatusTooManyRequests)
		_, _ = io.WriteString(w, `{"__type":"TooManyRequestsException","message":"Rate exceeded"}`)
	default:
		w.Header().Set("Retry-After", "1")
		w.WriteHeader(http.StatusTooManyRequests)
		_, _ = io.WriteString(w, `{"error":{"code":"TooManyRequests","message":"Rate exceeded"}}`)
	}
}

// reset has the peer see a reset rather than an end.
func reset(w http.ResponseWriter) {
	hijacker, ok := w.(http.Hijacker)
	if !ok {
		panic(http.ErrAbortHandler)
	}
	connection, _, err := hijacker.Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	if tcp, ok := connection.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = connection.Close()
}

// truncate announces the whole answer and sends half of it.
func (i *Injector) truncate(w http.ResponseWriter, r *http.Request) {
	whole := httptest.NewRecorder()
	i.next.ServeHTTP(whole, r)
	for name, values := range whole.Header() {
		w.Header()[name] = values
	}
	w.Header().Set("Content-Length", fmt.Sprint(whole.Body.Len()))
	w.WriteHeader(whole.Code)
	_, _ = w.Write(whole.Body.Bytes()[:whole.Body.Len()/2])
	_ = http.NewResponseController(w).Flush()
	panic(http.ErrAbortHandler)
}
