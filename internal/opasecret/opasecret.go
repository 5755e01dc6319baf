// Package opasecret takes the secrets of OPA's configuration out of texts. What OPA's
// plugins say of a service that fails, in errors and to their logger, may repeat what a
// URL or a header holds, and the whole answer of who was to give a token.
package opasecret

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/util"
)

const redacted = "[redacted]"

// minSecret is how short a secret can be that is searched for: others would be
// found in any text, and are none.
const minSecret = 4

// Redactor takes configured secrets out of texts. The zero value knows of none.
type Redactor struct{ secrets []string }

// New finds what may be secret in parts of a configuration, which are by name: all
// texts of services' credentials and headers, and of keys, but paths and addresses; and
// what follows the ? in a URL, which is how cloud stores sign one. resources are of what
// names a resource, a bundle say. What is no JSON is left alone.
func New(services, keys, resources map[string]json.RawMessage) Redactor {
	var r Redactor
	for _, raw := range services {
		service := object(raw)
		r.all("", service["credentials"])
		r.all("", service["headers"])
		r.query(service["url"])
	}
	for _, raw := range keys {
		r.all("", object(raw))
	}
	for _, raw := range resources {
		r.query(object(raw)["resource"])
	}
	// A secret may be part of another.
	slices.SortFunc(r.secrets, func(a, b string) int { return len(b) - len(a) })
	return r
}

func object(raw json.RawMessage) map[string]any {
	var members map[string]any
	if err := util.UnmarshalJSON(raw, &members); err != nil {
		return nil
	}
	return members
}

// public are the keys below credentials and keys that hold no secrets.
var public = []string{"algorithm", "ca_cert", "cert", "endpoint", "grant_type", "scheme", "scope", "scopes", "service", "signing_key"}

func (r *Redactor) all(key string, value any) {
	switch value := value.(type) {
	case map[string]any:
		for k, v := range value {
			r.all(k, v)
		}
	case []any:
		for _, v := range value {
			r.all(key, v)
		}
	case string:
		if !slices.Contains(public, key) && !strings.HasSuffix(key, "_path") && !strings.HasSuffix(key, "_url") {
			r.add(value)
		}
	}
}

func (r *Redactor) query(value any) {
	text, _ := value.(string)
	if _, query, found := strings.Cut(text, "?"); found {
		r.add(query)
	}
}

func (r *Redactor) add(secret string) {
	if len(secret) >= minSecret {
		r.secrets = append(r.secrets, secret)
	}
}

// Text is a text without the secrets.
func (r Redactor) Text(text string) string {
	for _, secret := range r.secrets {
		text = strings.ReplaceAll(text, secret, redacted)
	}
	return text
}

// Error keeps an error that holds no secret, and flattens one that does.
func (r Redactor) Error(err error) error {
	if err == nil {
		return nil
	}
	if text := r.Text(err.Error()); text != err.Error() {
		return errors.New(text)
	}
	return err
}
