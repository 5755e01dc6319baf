package azure

import (
	"crypto/sha1"
	"encoding/base64"
	"net/http"
	"strings"
	"sync"

	"github.com/spire-gatehouse/gatehouse/internal/testauthority/entra"
)

// Hosts that the cloud answers as.
const (
	LoginHost    = "login.microsoftonline.com"
	ManagerHost  = "management.azure.com"
	MetadataHost = "169.254.169.254"
)

// A Cloud is one Azure. It is safe for concurrent use.
type Cloud struct {
	// Authority publishes discovery documents and keys, and counts who asks.
	Authority *entra.Authority

	// Manager is Resource Manager.
	Manager *Manager

	mu      sync.Mutex
	key     entra.Key        // signs
	secrets map[App]string   // of applications
	granted map[string]grant // tokens, by their text
}

// App is an application that is registered with a tenant.
type App struct{ Tenant, ID string }

// New returns a cloud that knows no machine yet.
func New() *Cloud {
	key := NewKey("first")
	c := &Cloud{
		Authority: entra.New(key),
		key:       key,
		secrets:   map[App]string{},
		granted:   map[string]grant{},
	}
	c.Manager = newManager(c.caller)
	return c
}

// NewKey makes a key with an ID such as Entra ID's keys have: a certificate's SHA-1.
// SPIRE's built-in reads no key set with others.
func NewKey(name string) entra.Key {
	digest := sha1.Sum([]byte(name))
	return entra.NewKey(base64.RawURLEncoding.EncodeToString(digest[:]))
}

// Register makes the authority know an application.
func (c *Cloud) Register(app App, secret string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.secrets[app] = secret
}

// Rotate signs with a new key from now on, without notice: it is published along
// with those before it at the same instant.
func (c *Cloud) Rotate(key entra.Key, before ...entra.Key) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.key = key
	c.Authority.Publish(append([]entra.Key{key}, before...)...)
}

// Key is the key that signs now.
func (c *Cloud) Key() entra.Key {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.key
}

// ServeHTTP answers as the host that is asked. On a host of another name, such as
// that of a private cloud, it answers as both.
func (c *Cloud) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	manager := strings.HasPrefix(r.URL.Path, "/subscriptions/") || strings.HasPrefix(r.URL.Path, "/providers/")
	switch {
	case manager && r.Host == LoginHost, !manager && r.Host == ManagerHost:
		http.NotFound(w, r)
	case manager:
		c.Manager.ServeHTTP(w, r)
	default:
		c.login(w, r)
	}
}
