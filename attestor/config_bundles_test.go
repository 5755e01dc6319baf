package attestor

import (
	"encoding/json"
	"reflect"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// Blocks become OPA's configuration, key by key.
func TestBundleBlocks(t *testing.T) {
	config, problems := buildAWSIID(`policy {
		baseline = false
		start_timeout = "5s"
		persistence_directory = "/var/lib/gatehouse"
		service "acme" {
			url = "https://bundles.example.org/v1"
			type = "oci"
			headers { X-Team = "spire" }
			response_header_timeout_seconds = 5
			tls { ca_cert = "/etc/ca.pem" system_ca_required = true }
			credentials { s3_signing { metadata_credentials { aws_region = "us-east-1" } } }
		}
		key "release" { algorithm = "ES256" key = "PEM" scope = "write" }
		bundle "rules" {
			service = "acme"
			resource = "rules.tar.gz"
			persist = true
			size_limit_bytes = 1000
			signing { keyid = "release" scope = "write" exclude_files = ["README.md"] }
			polling { min_delay_seconds = 10 max_delay_seconds = 20 long_polling_timeout_seconds = 30 }
		}
		bundle "data" { resource = "file:///data.tar.gz" signing {} }
	}`, environment(nil))
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	var got, want any
	if err := json.Unmarshal([]byte(config.Policy.Bundles.OPA.reveal()), &got); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(`{
		"persistence_directory": "/var/lib/gatehouse",
		"services": {"acme": {
			"url": "https://bundles.example.org/v1", "type": "oci", "headers": {"X-Team": "spire"}, "response_header_timeout_seconds": 5,
			"tls": {"ca_cert": "/etc/ca.pem", "system_ca_required": true},
			"credentials": {"s3_signing": {"metadata_credentials": {"aws_region": "us-east-1"}}}
		}},
		"keys": {"release": {"algorithm": "ES256", "key": "PEM", "scope": "write"}},
		"bundles": {
			"rules": {
				"service": "acme", "resource": "rules.tar.gz", "persist": true, "size_limit_bytes": 1000,
				"signing": {"keyid": "release", "scope": "write", "exclude_files": ["README.md"]},
				"polling": {"min_delay_seconds": 10, "max_delay_seconds": 20, "long_polling_timeout_seconds": 30}
			},
			"data": {"resource": "file:///data.tar.gz", "signing": {}, "size_limit_bytes": 4194304}
		}
	}`), &want); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("OPA's configuration (-want +got):\n%s", diff)
	}
	source := config.Policy
	source.Bundles = &bundleSource{StartTimeout: source.Bundles.StartTimeout, Warnings: source.Bundles.Warnings}
	warnings := []string{"policy.bundle.rules: signing.exclude_files: whoever serves the bundle, or is on the way, writes the files that match"}
	if want := (policySource{WithoutBaseline: true, Bundles: &bundleSource{StartTimeout: 5 * time.Second, Warnings: warnings}}); !reflect.DeepEqual(source, want) {
		t.Errorf("got %+v", source)
	}
}

func TestBundleBlocksRefused(t *testing.T) {
	const service = "policy {\nservice \"s\" {\nurl = \"https://x\"\n}\n"
	testBadTexts(t, buildAWSIID, []badText{
		{"a directory too", "policy {\ndirectory = \"/x\"\nbundle \"b\" {\nresource = \"file:///x\"\n}\n}", nil, []problem{
			{2, "policy.directory", "excludes bundle blocks: policy comes from a directory or from bundles"}}},
		{"no bundle", service + "start_timeout = \"1s\"\n}", nil, []problem{
			{1, "policy.directory", "is missing: name the directory with your policies, or a bundle; for the baseline alone remove the block policy"},
			{2, "policy.service", "is of no use without a bundle block"},
			{5, "policy.start_timeout", "is of no use without a bundle block"}}},
		{"a name that is taken", "policy {\nbundle \"gatehouse\" {\nresource = \"file:///x\"\n}\n}", nil, []problem{
			{2, "policy.bundle.gatehouse", "needs another name: the decision log has the revision of policy and configuration together under this one"}}},
		{"nothing in it", "policy {\nbundle \"b\" {\n}\n}", nil, []problem{
			{2, "policy.bundle.b.resource", "is missing: the path at the service, or file:///…"},
			{2, "policy.bundle.b.service", "must name a service block of the block policy"}}},
		{"misspelt", service + "bundle \"b\" {\nservice = \"s\"\nresource = \"x\"\nsinging {}\npolling {\nmin_delay = 1\n}\n}\n}", nil, []problem{
			{8, "policy.bundle.b.singing", `unknown key; did you mean "signing"?`},
			{10, "policy.bundle.b.polling.min_delay", "unknown key; known here: long_polling_timeout_seconds, max_delay_seconds, min_delay_seconds"}}},
		{"misspelt in a service", "policy {\nservice \"s\" {\nurl = \"https://x\"\ncredentials {\nbaerer {\ntoken = \"x\"\n}\n}\nheader {}\n}\nbundle \"b\" {\nservice = \"s\"\nresource = \"x\"\n}\n}", nil, []problem{
			{5, "policy.service.s.credentials.baerer", `unknown key; did you mean "bearer"?`},
			{9, "policy.service.s.header", `unknown key; did you mean "headers"?`}}},
		{"a plugin of nobody's", "policy {\nservice \"s\" {\nurl = \"https://x\"\ncredentials {\nplugin = \"mine\"\n}\n}\nbundle \"b\" {\nservice = \"s\"\nresource = \"x\"\n}\n}", nil, []problem{
			{5, "policy.service.s.credentials.plugin", "unknown key; known here: azure_managed_identity, bearer, client_tls, gcp_metadata, oauth2, s3_signing"}}},
		{"addresses", "policy {\nservice \"a\" {\nurl = \"ftp://x\"\n}\nservice \"b\" {\nurl = \"https://u:p@x\"\n}\nservice \"c\" {\n}\nbundle \"b\" {\nservice = \"a\"\nresource = \"x\"\n}\n}", nil, []problem{
			{3, "policy.service.a.url", "want http:// or https:// and a host"},
			{6, "policy.service.b.url", "must not hold a password: use credentials"},
			{8, "policy.service.c.url", "is missing"}}},
		{"keys, and no signing", service + "key \"k\" {\nkey = \"PEM\"\n}\nbundle \"b\" {\nservice = \"s\"\nresource = \"x\"\n}\n}", nil, []problem{
			{8, "policy.bundle.b.signing", "is missing: there are keys, but without a signing block unsigned bundles would be taken; write signing {} or name the key: signing { keyid = … }"}}},
		{"signing, and no key", service + "bundle \"b\" {\nservice = \"s\"\nresource = \"x\"\nsigning {\nkeyid = \"k\"\n}\n}\n}", nil, []problem{
			{8, "policy.bundle.b.signing", "needs a key block with a key to verify with"},
			{9, "policy.bundle.b.signing.keyid", "must name a key block of the block policy"}}},
		{"persist, and nowhere to", service + "bundle \"b\" {\nservice = \"s\"\nresource = \"x\"\npersist = true\n}\n}", nil, []problem{
			{8, "policy.bundle.b.persist", "needs persistence_directory in the block policy"}}},
		{"a file", service + "bundle \"b\" {\nservice = \"s\"\nresource = \"file:///x\"\npersist = true\n}\n}", nil, []problem{
			{6, "policy.bundle.b.service", "is of no use to a file"},
			{8, "policy.bundle.b.persist", "is of no use to a file"}}},
		{"numbers", service + "start_timeout = \"1ms\"\nbundle \"b\" {\nservice = \"s\"\nresource = \"x\"\nsize_limit_bytes = 5000000\npolling {\nmin_delay_seconds = 0\nmax_delay_seconds = 1.5\n}\n}\n}", nil, []problem{
			{5, "policy.start_timeout", "must be between 1s and 10m0s"},
			{9, "policy.bundle.b.size_limit_bytes", "must not be more than 4194304, the limit of one file"},
			{11, "policy.bundle.b.polling.min_delay_seconds", "want a whole number, 1 or more"},
			{12, "policy.bundle.b.polling.max_delay_seconds", "want a whole number, 1 or more"}}},
		{"a name that leads elsewhere", service + "bundle \"../b\" {\nservice = \"s\"\nresource = \"x\"\n}\n}", nil, []problem{
			{5, `policy.bundle."../b"`, "is no name for a bundle: letters, digits, _, . and -, up to 64"}}},
	})
}

// Who can write the policy beside its author, or read what lets Gatehouse in, is
// said aloud.
func TestBundleWarnings(t *testing.T) {
	const (
		unsigned = "policy.bundle.b: comes over plain http and is not signed: whoever is on the way writes the policy"
		insecure = "policy.bundle.b: comes from a server whose certificate is not verified and is not signed: whoever is on the way writes the policy"
		readable = "policy.service.s: whoever is on the way reads the credentials"
	)
	for text, want := range map[string][]string{
		`url = "https://x"`: nil,
		`url = "http://x"`:  {unsigned},
		`url = "HTTP://x" credentials { bearer { token_path = "/x" } }`: {unsigned, readable},
		`url = "https://x" allow_insecure_tls = true`:                   {insecure},
	} {
		config, problems := buildAWSIID(`policy { service "s" { `+text+` } bundle "b" { service = "s" resource = "x" } }`, environment(nil))
		if len(problems) > 0 {
			t.Fatal(problems)
		}
		if got := config.Policy.warnings(); !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %q, want %q", text, got, want)
		}
	}
	signed, problems := buildAWSIID(`policy { service "s" { url = "http://x" } key "k" { key = "x" } bundle "b" { service = "s" resource = "x" signing {} } }`, environment(nil))
	if len(problems) > 0 || signed.Policy.warnings() != nil {
		t.Errorf("signed: got %q, %v", signed.Policy.warnings(), problems)
	}
}
