package attestor

import (
	"encoding/json"
	"net/url"
	"regexp"

	"github.com/spire-gatehouse/gatehouse/attestor/plugindata"
)

// What the blocks of OPA's configuration have in common.

// blockNamePattern is what services, keys and bundles may be called: their names
// end up in paths.
var blockNamePattern = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$`)

// opaBlocks are the blocks of one kind by their names.
type opaBlocks map[string]map[string]any

// decodeBlocks reads the blocks of one kind; decode asks each for all that may be
// there.
func decodeBlocks(block *plugindata.Object, kind string, decode func(*plugindata.Object)) opaBlocks {
	all := opaBlocks{}
	named, ok := block.Object(kind)
	if !ok {
		return all
	}
	for _, name := range named.Keys() {
		if !blockNamePattern.MatchString(name) {
			named.Problem(name, "is no name for a %s: letters, digits, _, . and -, up to 64", kind)
		}
		one, ok := named.Object(name)
		if !ok {
			continue
		}
		decode(one)
		all[name] = one.Value()
	}
	return all
}

// decodeService reads a service, with OPA's keys. What is in its credentials is for
// OPA's own parsers to judge, later.
func decodeService(o *plugindata.Object) {
	o.Bool("allow_insecure_tls")
	if kind := textOr(o, "type", "oci"); kind != "oci" {
		o.Problem("type", `must be "oci", or not there`)
	}
	count(o, "response_header_timeout_seconds", 0)
	if headers, ok := o.Object("headers"); ok {
		for _, name := range headers.Keys() {
			headers.String(name)
		}
	}
	if tls, ok := o.Object("tls"); ok {
		tls.String("ca_cert")
		tls.Bool("system_ca_required")
	}
	if credentials, ok := o.Object("credentials"); ok {
		for _, method := range []string{"bearer", "oauth2", "client_tls", "s3_signing", "gcp_metadata", "azure_managed_identity"} {
			if inner, ok := credentials.Object(method); ok {
				inner.Keys() // any: OPA judges them
			}
		}
	}
	text, _ := o.String("url")
	address, err := url.Parse(text)
	switch {
	case lacks(o, "url"):
		o.Problem("url", "is missing")
	case err != nil || address.Host == "" || address.Scheme != "http" && address.Scheme != "https":
		o.Problem("url", "want http:// or https:// and a host")
	case address.User != nil:
		o.Problem("url", "must not hold a password: use credentials")
	}
}

// count reads a whole number.
func count(o *plugindata.Object, key string, least int) (int, bool) {
	text, ok := o.String(key)
	if !ok {
		return 0, false
	}
	var n int
	if err := json.Unmarshal([]byte(text), &n); err != nil || n < least {
		o.Problem(key, "want a whole number, %d or more", least)
		return 0, false
	}
	return n, true
}
