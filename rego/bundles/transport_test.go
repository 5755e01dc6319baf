package bundles

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
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

// archive has entries of that many bytes in all.
func archive(t *testing.T, entries int, bytesInAll int64) io.Reader {
	t.Helper()
	var packed bytes.Buffer
	zip, err := gzip.NewWriterLevel(&packed, gzip.BestSpeed)
	if err != nil {
		t.Fatal(err)
	}
	out := tar.NewWriter(zip)
	for n := range entries {
		size := int64(0)
		if n == 0 {
			size = bytesInAll
		}
		if err := out.WriteHeader(&tar.Header{Name: "f", Size: size, Mode: 0o600}); err != nil {
			t.Fatal(err)
		}
		if _, err := io.CopyN(out, &endless{}, size); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(out.Close(), zip.Close()); err != nil {
		t.Fatal(err)
	}
	return &packed
}

// TestBoundsOfAnswers tries each bound on what a service sends on both sides.
func TestBoundsOfAnswers(t *testing.T) {
	for name, tc := range map[string]struct {
		limit  int
		body   func(n int) io.Reader
		beyond string
	}{
		"bytes":            {rego.MaxPolicyBytes, func(n int) io.Reader { return io.LimitReader(&endless{}, int64(n)) }, "the answer is larger than 67108864 bytes"},
		"unpacked bytes":   {rego.MaxPolicyBytes, func(n int) io.Reader { return archive(t, 1, int64(n)) }, "the archive unpacks to more than 67108864 bytes"},
		"archived entries": {rego.MaxPolicyEntries, func(n int) io.Reader { return archive(t, n, 0) }, "the archive has more than 10000 entries"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := get(t, func(*http.Request) io.Reader { return tc.body(tc.limit) }); err != nil {
				t.Errorf("at %d: %v", tc.limit, err)
			}
			if _, err := get(t, func(*http.Request) io.Reader { return tc.body(tc.limit + 1) }); err == nil || err.Error() != tc.beyond {
				t.Errorf("at %d: got %v, want %s", tc.limit+1, err, tc.beyond)
			}
		})
	}
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
