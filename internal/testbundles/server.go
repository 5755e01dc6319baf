package testbundles

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
)

// Server is a bundle service that answers what OPA's protocol asks for and refuses
// all else. Its methods are safe for concurrent use.
type Server struct {
	*httptest.Server
	t testing.TB

	mu       sync.Mutex
	bundles  map[string][]byte // by path
	token    string
	down     bool
	answered map[string]int // requests by path and status: "GET /x 304"
}

// NewServer starts a service, which the end of the test stops.
func NewServer(t testing.TB) *Server {
	s := &Server{t: t, bundles: map[string][]byte{}, answered: map[string]int{}}
	s.Server = httptest.NewServer(s)
	t.Cleanup(s.Close)
	return s
}

// Publish has the service serve a bundle at a path, which begins with a slash.
func (s *Server) Publish(path string, content []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.bundles[path] = content
}

// RequireToken has the service demand a bearer token.
func (s *Server) RequireToken(token string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.token = token
}

// SetDown has the service answer nothing but errors, or not any more.
func (s *Server) SetDown(down bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.down = down
}

// Answered says how often a path was answered with that status.
func (s *Server) Answered(path string, status int) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.answered[fmt.Sprintf("%s %d", path, status)]
}

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	answer := func(status int, content []byte) {
		s.answered[fmt.Sprintf("%s %d", r.URL.Path, status)]++
		w.WriteHeader(status)
		w.Write(content)
	}
	content, found := s.bundles[r.URL.Path]
	digest := sha256.Sum256(content)
	etag := `"` + hex.EncodeToString(digest[:]) + `"`
	switch {
	case s.down:
		answer(http.StatusServiceUnavailable, nil)
	case r.Method != http.MethodGet:
		answer(http.StatusMethodNotAllowed, nil)
	case s.token != "" && r.Header.Get("Authorization") != "Bearer "+s.token:
		answer(http.StatusUnauthorized, nil)
	case !strings.HasPrefix(r.Header.Get("Prefer"), "modes=snapshot,delta"):
		answer(http.StatusBadRequest, nil)
	case !found:
		answer(http.StatusNotFound, nil)
	case r.Header.Get("If-None-Match") == etag:
		w.Header().Set("ETag", etag)
		answer(http.StatusNotModified, nil)
	default:
		w.Header().Set("ETag", etag)
		w.Header().Set("Content-Type", "application/gzip")
		answer(http.StatusOK, content)
	}
}
