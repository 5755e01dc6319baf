package bundles

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

// redactor takes the configured secrets out of texts.
type redactor struct{ secrets []string }

// newRedactor finds what may be secret in a configuration: all texts of
// credentials, headers and keys but paths and addresses, and what follows the ? in
// a URL, which is how cloud stores sign one.
func newRedactor(config Config) redactor {
	var r redactor
	for _, raw := range config.Services {
		service := object(raw)
		r.all("", service["credentials"])
		r.all("", service["headers"])
		r.query(service["url"])
	}
	for _, raw := range config.Keys {
		r.all("", object(raw))
	}
	for _, raw := range config.Bundles {
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

func (r *redactor) all(key string, value any) {
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

func (r *redactor) query(value any) {
	text, _ := value.(string)
	if _, query, found := strings.Cut(text, "?"); found {
		r.add(query)
	}
}

func (r *redactor) add(secret string) {
	if len(secret) >= minSecret {
		r.secrets = append(r.secrets, secret)
	}
}

func (r redactor) text(text string) string {
	for _, secret := range r.secrets {
		text = strings.ReplaceAll(text, secret, redacted)
	}
	return text
}

// error keeps an error that holds no secret, and flattens one that does.
func (r redactor) error(err error) error {
	if err == nil {
		return nil
	}
	if text := r.text(err.Error()); text != err.Error() {
		return errors.New(text)
	}
	return err
}
