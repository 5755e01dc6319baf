package rego

import (
	"slices"

	"github.com/open-policy-agent/opa/v1/ast"
)

// removed maps built-ins that policies don't get to the reason, for the error
// message. Added to it are those that OPA itself marks as nondeterministic.
func removed() map[string]string {
	const (
		network = "it reaches the network"
		clock   = "it reads the clock; use input.time"
		random  = "its result is random"
		process = "it shows the server's process"
	)
	names := map[string]string{
		// Marked by OPA; named here for the reason.
		"http.send":          network,
		"net.lookup_ip_addr": network,
		"time.now_ns":        clock,
		"rand.intn":          random,
		"uuid.rfc4122":       random,
		"opa.runtime":        process,

		// Compare an expiry with the clock, or sign with a random nonce.
		"io.jwt.decode_verify":   clock,
		"io.jwt.encode_sign":     random,
		"io.jwt.encode_sign_raw": random,

		// Not marked, though they check validity against the clock unless told
		// otherwise.
		"crypto.x509.parse_and_verify_certificates":              clock,
		"crypto.x509.parse_and_verify_certificates_with_options": clock,

		// Follow "$ref" to files and URLs.
		"json.match_schema":  "it reads files and URLs that a schema refers to",
		"json.verify_schema": "it reads files and URLs that a schema refers to",

		// Takes time and memory exponential in its graph, and nothing stops it.
		"graph.reachable_paths": "nothing stops it once it runs; use graph.reachable",

		// Signs requests that no policy can send, with keys that no policy has.
		"providers.aws.sign_req": "it signs network requests",
	}
	for _, builtin := range ast.Builtins {
		if _, known := names[builtin.Name]; builtin.IsNondeterministic() && !known {
			names[builtin.Name] = "it depends on more than its arguments"
		}
	}
	return names
}

// Capabilities is what policies may use: for tools that check them elsewhere, as
// opa check --capabilities does.
func Capabilities() *ast.Capabilities { return capabilities() }

// capabilities is what this version of OPA offers, without the built-ins that
// have side effects or hidden inputs, and without the network.
func capabilities() *ast.Capabilities {
	gone := removed()
	caps := ast.CapabilitiesForThisVersion()
	caps.Builtins = slices.DeleteFunc(slices.Clone(caps.Builtins), func(b *ast.Builtin) bool {
		_, isGone := gone[b.Name]
		return isGone
	})
	caps.AllowNet = []string{}
	return caps
}
