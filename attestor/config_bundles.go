package attestor

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/spire-gatehouse/gatehouse/attestor/plugindata"
	"github.com/spire-gatehouse/gatehouse/rego"
)

// bundleSource is where bundles come from, in OPA's terms.
type bundleSource struct {
	// OPA is a bundles.Config as JSON; credentials are in it.
	OPA secret

	// StartTimeout is how long Configure waits for the first of each bundle.
	StartTimeout time.Duration

	// Warnings are what is allowed, and worth a second thought.
	Warnings []string
}

// decodeBundleSource reads the blocks service, key and bundle; nil if there is no
// bundle. Each key is what it is in OPA's configuration. What is in a service's
// credentials is for OPA's own parsers to judge, later.
func decodeBundleSource(block *plugindata.Object, blockName string) *bundleSource {
	source := &bundleSource{StartTimeout: startTimeout(block)}
	persistence := textOr(block, "persistence_directory", "")
	services := decodeBlocks(block, "service", decodeService)
	keys := decodeBlocks(block, "key", decodeKey)
	bundles := decodeBlocks(block, "bundle", decodeBundle)
	if len(bundles) == 0 {
		for _, key := range []string{"service", "key", "persistence_directory", "start_timeout"} {
			if block.Has(key) {
				block.Problem(key, "is of no use without a bundle block")
			}
		}
		return nil
	}
	if named, ok := block.Object("bundle"); ok {
		for _, name := range named.Keys() {
			if bundle, ok := named.Object(name); ok {
				if name == "gatehouse" {
					bundle.SelfProblem("needs another name: the decision log has the revision of policy and configuration together under this one")
				}
				checkBundle(bundle, blockName, services, keys, persistence)
				if !bundle.Has("size_limit_bytes") {
					bundles[name]["size_limit_bytes"] = rego.MaxPolicyFileBytes
				}
				source.Warnings = append(source.Warnings, bundleWarnings(blockName, name, bundles[name], services)...)
			}
		}
	}
	text, err := json.Marshal(map[string]any{"services": services, "keys": keys, "bundles": bundles, "persistence_directory": persistence})
	if err != nil {
		block.SelfProblem("holds a number that is none in JSON")
		return nil
	}
	source.OPA = newSecret(string(text))
	return source
}

func decodeKey(o *plugindata.Object) {
	for _, key := range []string{"key", "private_key", "algorithm", "scope"} {
		o.String(key)
	}
}

func decodeBundle(o *plugindata.Object) {
	o.String("service")
	o.String("resource")
	o.Bool("persist")
	if signing, ok := o.Object("signing"); ok {
		signing.String("keyid")
		signing.String("scope")
		signing.Strings("exclude_files")
	}
	if polling, ok := o.Object("polling"); ok {
		for _, key := range []string{"min_delay_seconds", "max_delay_seconds", "long_polling_timeout_seconds"} {
			count(polling, key, 1)
		}
	}
	if size, ok := count(o, "size_limit_bytes", 1); ok && size > rego.MaxPolicyFileBytes {
		o.Problem("size_limit_bytes", "must not be more than %d, the limit of one file", rego.MaxPolicyFileBytes)
	}
}

// checkBundle checks what OPA would take and an operator would not want.
func checkBundle(o *plugindata.Object, block string, services, keys opaBlocks, persistence string) {
	resource, service := textOr(o, "resource", ""), textOr(o, "service", "")
	file := strings.HasPrefix(resource, "file://")
	persist, _ := o.Bool("persist")
	switch {
	case persist && file:
		o.Problem("persist", "is of no use to a file")
	case persist && persistence == "":
		o.Problem("persist", "needs persistence_directory in the block %s", block)
	}
	if resource == "" {
		o.Problem("resource", "is missing: the path at the service, or file:///…")
	}
	if _, known := services[service]; !file && !known {
		o.Problem("service", "must name a service block of the block %s", block)
	}
	if file && service != "" {
		o.Problem("service", "is of no use to a file")
	}
	verifies := false
	for _, key := range keys {
		verifies = verifies || key["key"] != nil
	}
	if !o.Has("signing") && verifies {
		o.Problem("signing", "is missing: there are keys, but without a signing block unsigned bundles would be taken; write signing {} or name the key: signing { keyid = … }")
	}
	if signing, ok := o.Object("signing"); ok {
		if keyID := textOr(signing, "keyid", ""); keyID != "" && keys[keyID] == nil {
			signing.Problem("keyid", "must name a key block of the block %s", block)
		}
		if !verifies {
			signing.SelfProblem("needs a key block with a key to verify with")
		}
	}
}

// bundleWarnings says who can write the policy beside its author.
func bundleWarnings(block, name string, bundle map[string]any, services opaBlocks) []string {
	serviceName, _ := bundle["service"].(string)
	service := services[serviceName]
	address, _ := service["url"].(string)
	insecure, _ := service["allow_insecure_tls"].(bool)
	plain := strings.HasPrefix(strings.ToLower(address), "http://")
	var warnings []string
	if (plain || insecure) && bundle["signing"] == nil {
		how := "over plain http"
		if insecure {
			how = "from a server whose certificate is not verified"
		}
		warnings = append(warnings, fmt.Sprintf("%s.bundle.%s: comes %s and is not signed: whoever is on the way writes the policy", block, name, how))
	}
	if signing, _ := bundle["signing"].(map[string]any); signing["exclude_files"] != nil {
		warnings = append(warnings, fmt.Sprintf("%s.bundle.%s: signing.exclude_files: whoever serves the bundle, or is on the way, writes the files that match", block, name))
	}
	if (plain || insecure) && (service["credentials"] != nil || service["headers"] != nil) {
		warnings = append(warnings, fmt.Sprintf("%s.service.%s: whoever is on the way reads the credentials", block, serviceName))
	}
	return warnings
}
