package schematest

import (
	"strings"
	"testing"
)

func TestGoodValues(t *testing.T) {
	Fact(t, "aws_iid", "instance", map[string]any{"id": "i-1", "state": "running", "launch_time": "2026-01-02T03:04:05Z"})
	Evidence(t, "aws_iid", map[string]any{
		"account_id": "123456789012", "region": "us-west-2", "partition": "aws", "availability_zone": "us-west-2a",
		"instance_id": "i-0123456789abcdef0", "instance_type": "t3.medium", "image_id": "ami-1", "architecture": "arm64",
		"version": "2017-09-30", "private_ip": "10.0.0.1", "pending_time": "2026-01-02T03:04:05Z", "signature_kind": "rsa2048",
		"certificate_sha256": strings.Repeat("a", 64), "document_sha256": strings.Repeat("b", 64),
	})
}

func TestBadValues(t *testing.T) {
	tests := map[string]struct {
		schema, part string
		value        any
		want         string
	}{
		"misspelt field": {"aws_iid", "#/properties/facts/properties/instance",
			map[string]any{"id": "i-1", "state": "running", "lunch_time": "x"}, "additional properties 'lunch_time' not allowed"},
		"missing field": {"aws_iid", "#/properties/facts/properties/instance",
			map[string]any{"id": "i-1"}, "missing property 'state'"},
		"wrong type": {"aws_iid_config", "",
			map[string]any{"partition": 1}, "got number, want string"},
		"no time": {"aws_iid", "#/properties/facts/properties/instance",
			map[string]any{"id": "i-1", "state": "running", "launch_time": "yesterday"}, "is not valid date-time"},
		"nested": {"aws_iid", "",
			map[string]any{"plugin": "aws_iid", "trust_domain": "x", "time": "2026-01-02T03:04:05Z", "evidence": map[string]any{}},
			"missing properties 'account_id'"},
		"null for a list": {"aws_iid", "#/properties/facts/properties/instance",
			map[string]any{"id": "i-1", "state": "running", "block_devices": nil}, "got null, want array"},
		"unknown fact":   {"aws_iid", "#/properties/facts/properties/moon", map[string]any{}, "not found"},
		"unknown plugin": {"gcp", "", map[string]any{}, "schemas/gcp.json: file does not exist"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			err := check(tt.schema, tt.part, tt.value)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %s", err, tt.want)
			}
		})
	}
}
