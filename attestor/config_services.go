package attestor

import (
	"encoding/json"
	"net/url"
	"regexp"

	"github.com/spire-gatehouse/gatehouse/attestor/plugindata"
)

var blockNamePattern = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$`)

type opaBlocks map[string]map[string]any

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

func decodeService(o *plugindata.Object) {
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
