# METADATA
# title: A good instance for the tests
# description: Each test starts from these documents and changes one thing.
package gatehouse.aws_iid_test

config := {"partition": "aws"}

evidence := {
	"account_id": "123456789012",
	"region": "us-west-2",
	"partition": "aws",
	"availability_zone": "us-west-2a",
	"instance_id": "i-0123456789abcdef0",
	"instance_type": "t3.medium",
	"image_id": "ami-0fa9e1f64142cde17",
	"architecture": "x86_64",
	"version": "2017-09-30",
	"private_ip": "10.0.0.209",
	"pending_time": "2026-01-02T03:00:00Z",
	"signature_kind": "rsa2048",
	"certificate_sha256": "1111111111111111111111111111111111111111111111111111111111111111",
	"document_sha256": "2222222222222222222222222222222222222222222222222222222222222222",
}

instance := {
	"id": "i-0123456789abcdef0",
	"state": "running",
	"launch_time": "2026-01-02T03:00:00Z",
	"image_id": "ami-0fa9e1f64142cde17",
	"instance_type": "t3.medium",
	"vpc_id": "vpc-0123456789abcdef0",
	"subnet_id": "subnet-0123456789abcdef0",
	"private_ip": "10.0.0.209",
	"tags": {"Name": "blog"},
	"security_groups": [{"id": "sg-0123456789abcdef0", "name": "web"}],
	"network_interfaces": [{
		"id": "eni-0123456789abcdef0",
		"device_index": 0,
		"attach_time": "2026-01-02T03:00:00Z",
		"status": "attached",
		"private_ips": ["10.0.0.209"],
		"vpc_id": "vpc-0123456789abcdef0",
		"subnet_id": "subnet-0123456789abcdef0",
	}],
	"root_device_name": "/dev/xvda",
	"root_device_type": "ebs",
	"block_devices": [{
		"device_name": "/dev/xvda",
		"volume_id": "vol-0123456789abcdef0",
		"attach_time": "2026-01-02T03:00:00Z",
		"status": "attached",
		"delete_on_termination": true,
	}],
	"metadata_options": {
		"http_tokens": "required",
		"http_endpoint": "enabled",
		"http_put_response_hop_limit": 1,
		"state": "applied",
	},
}

# What admission sees.
admission_input := {
	"plugin": "aws_iid",
	"trust_domain": "example.org",
	"time": "2026-01-02T03:04:05Z",
	"peer": {"ip": "10.0.0.209"},
	"evidence": evidence,
	"tofu": {"attested": false, "claimed": false},
}

# What decision sees.
decision_input := object.union(admission_input, {
	"facts": {"instance": instance},
	"facts_status": {},
})

# The agent path of the good instance.
path := "/spire/agent/aws_iid/123456789012/us-west-2/i-0123456789abcdef0"

# doc with the value at a JSON pointer replaced or added.
changed(doc, pointer, value) := json.patch(doc, [{"op": "add", "path": pointer, "value": value}])

# doc without the value at a JSON pointer.
without(doc, pointer) := json.remove(doc, [pointer])

# cfg with a rule enforced in a mode.
enforced(cfg, rule, mode) := object.union(cfg, {"enforcement": {rule: mode}})
