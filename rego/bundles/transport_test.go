package bundles

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/spire-gatehouse/gatehouse/rego"
)

// answer is a service whose answer has that body.
type answer func(req *http.Request) io.Reader

func (a answer) RoundTrip(req *http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(a(req)), Request: req}, nil
}

func get(t *testing.T, service answer) (string, error) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://service", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := bounds{service}.RoundTrip(req)
	if err != nil {
		return "", err
	}
	body, err := io.ReadAll(resp.Body)
	return string(body), err
}

// stuck is a body of which nothing more comes.
type stuck struct{ context.Context }

func (s stuck) Read([]byte) (int, error) {
	<-s.Done()
	return 0, context.Cause(s.Context)
}

// endless counts what is read of it.
type endless struct{ read int }

func (e *endless) Read(p []byte) (int, error) {
	e.read += len(p)
	return len(p), nil
}

func TestBounds(t *testing.T) {
	if body, err := get(t, func(*http.Request) io.Reader { return strings.NewReader("{}") }); body != "{}" || err != nil {
		t.Errorf("what is no archive: got %q, %v", body, err)
	}
	var body endless
	if _, err := get(t, func(*http.Request) io.Reader { return &body }); err == nil || err.Error() != "the answer is larger than 67108864 bytes" {
		t.Errorf("endless: got %v", err)
	}
	if body.read > 2*rego.MaxPolicyBytes {
		t.Errorf("read %d bytes of it", body.read)
	}
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		_, err := get(t, func(req *http.Request) io.Reader { return stuck{req.Context()} })
		if !errors.Is(err, context.Canceled) || time.Since(begin) != maxBodyTime {
			t.Errorf("stuck: got %v after %v", err, time.Since(begin))
		}
	})
}
