package testbundles

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync"
	"testing"
)

// Registry is an OCI registry as far as pulling goes.
type Registry struct {
	*httptest.Server
	t testing.TB

	mu    sync.Mutex
	paths map[string]blob
}

type blob struct {
	mediaType, digest string
	content           []byte
}

// NewRegistry starts a registry, which the end of the test stops.
func NewRegistry(t testing.TB) *Registry {
	r := &Registry{t: t, paths: map[string]blob{}}
	r.Server = httptest.NewServer(r)
	t.Cleanup(r.Close)
	return r
}

// Push makes a bundle the one layer of an image.
func (r *Registry) Push(repository, tag string, bundle []byte) {
	config := r.add(repository, "blobs", "application/vnd.oci.image.config.v1+json", []byte("{}"))
	layer := r.add(repository, "blobs", "application/vnd.oci.image.layer.v1.tar+gzip", bundle)
	manifest, err := json.Marshal(map[string]any{
		"schemaVersion": 2,
		"mediaType":     "application/vnd.oci.image.manifest.v1+json",
		"config":        config,
		"layers":        []any{layer},
	})
	if err != nil {
		r.t.Fatal(err)
	}
	r.add(repository, "manifests", "application/vnd.oci.image.manifest.v1+json", manifest, tag)
}

// add returns the content's descriptor.
func (r *Registry) add(repository, kind, mediaType string, content []byte, tags ...string) map[string]any {
	r.mu.Lock()
	defer r.mu.Unlock()
	sum := sha256.Sum256(content)
	b := blob{mediaType, "sha256:" + hex.EncodeToString(sum[:]), content}
	for _, reference := range append(tags, b.digest) {
		r.paths["/v2/"+repository+"/"+kind+"/"+reference] = b
	}
	return map[string]any{"mediaType": mediaType, "digest": b.digest, "size": len(content)}
}

// ServeHTTP implements http.Handler.
func (r *Registry) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	r.mu.Lock()
	b, found := r.paths[req.URL.Path]
	r.mu.Unlock()
	switch {
	case req.Method != http.MethodGet && req.Method != http.MethodHead:
		w.WriteHeader(http.StatusMethodNotAllowed)
	case !found:
		w.WriteHeader(http.StatusNotFound)
	default:
		w.Header().Set("Content-Type", b.mediaType)
		w.Header().Set("Docker-Content-Digest", b.digest)
		w.Header().Set("Content-Length", strconv.Itoa(len(b.content)))
		if req.Method == http.MethodGet {
			w.Write(b.content)
		}
	}
}
