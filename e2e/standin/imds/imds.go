// Package imds is a stand-in for the instance metadata service of EC2, version
// 2 required (HttpTokens=required): the part that a SPIRE agent reads.
//
// Start at New; standin.Listen serves it.
package imds

import (
	"crypto/rand"
	"encoding/hex"
	"io"
	"net/http"
	"strconv"
	"sync"
	"time"
)

const (
	tokenPath = "/latest/api/token"

	ttlHeader   = "X-Aws-Ec2-Metadata-Token-Ttl-Seconds"
	tokenHeader = "X-Aws-Ec2-Metadata-Token"

	maxTTL = 21600
)

// Identity is what the service says about the instance, each part as the text
// that it serves.
type Identity struct {
	Document  string // the instance identity document
	Signature string // base64, by the region's RSA certificate
	RSA2048   string // base64 of a PKCS#7 message, without PEM header and footer
}

// Server answers for one instance. It is safe for concurrent use.
type Server struct {
	identity Identity
	now      func() time.Time

	mu     sync.Mutex
	tokens map[string]time.Time // and when each expires
}

// New returns a service for one instance. now may be nil for time.Now.
func New(identity Identity, now func() time.Time) *Server {
	if now == nil {
		now = time.Now
	}
	return &Server{identity: identity, now: now, tokens: map[string]time.Time{}}
}

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	// The real service turns away what came through a proxy.
	if r.Header.Get("X-Forwarded-For") != "" {
		refuse(w, http.StatusForbidden)
		return
	}
	if r.URL.Path == tokenPath {
		s.issue(w, r)
		return
	}
	s.serve(w, r)
}

// issue hands out a session token.
func (s *Server) issue(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPut {
		refuse(w, http.StatusMethodNotAllowed)
		return
	}
	ttl, err := strconv.Atoi(r.Header.Get(ttlHeader))
	if err != nil || ttl < 1 || ttl > maxTTL {
		refuse(w, http.StatusBadRequest)
		return
	}
	random := make([]byte, 40)
	rand.Read(random) // never fails, by its contract
	token := hex.EncodeToString(random)

	s.mu.Lock()
	s.tokens[token] = s.now().Add(time.Duration(ttl) * time.Second)
	s.mu.Unlock()

	w.Header().Set(ttlHeader, strconv.Itoa(ttl))
	answer(w, token)
}

// serve answers for metadata to those who hold a token.
func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	if !s.known(r.Header.Get(tokenHeader)) {
		refuse(w, http.StatusUnauthorized)
		return
	}
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		refuse(w, http.StatusMethodNotAllowed)
		return
	}
	switch r.URL.Path {
	case "/latest/dynamic/instance-identity", "/latest/dynamic/instance-identity/":
		answer(w, "document\nrsa2048\nsignature")
	case "/latest/dynamic/instance-identity/document":
		answer(w, s.identity.Document)
	case "/latest/dynamic/instance-identity/signature":
		answer(w, s.identity.Signature)
	case "/latest/dynamic/instance-identity/rsa2048":
		answer(w, s.identity.RSA2048)
	default:
		refuse(w, http.StatusNotFound)
	}
}

// known says whether the token was issued here and has not expired.
func (s *Server) known(token string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	expires, ok := s.tokens[token]
	return ok && s.now().Before(expires)
}

func answer(w http.ResponseWriter, text string) {
	w.Header().Set("Content-Type", "text/plain")
	w.Header().Set("Server", "EC2ws")
	_, _ = io.WriteString(w, text)
}

func refuse(w http.ResponseWriter, status int) {
	w.Header().Set("Server", "EC2ws")
	http.Error(w, strconv.Itoa(status)+" - "+http.StatusText(status), status)
}
