package instance_selectors_test

import data.gatehouse.aws_iid
import data.gatehouse.aws_iid_test as fixtures

_own(selectors) := {value |
	some value in selectors
	regex.match(`^(instance:type|vpc:id|subnet:id|launch_template):`, value)
}

_launched := fixtures.changed(fixtures.decision_input, "facts/instance/tags", {
	"aws:ec2launchtemplate:id": "lt-0123456789abcdef0",
	"aws:ec2launchtemplate:version": "7",
})

_type := "instance:type:t3.medium"

_vpc := "vpc:id:vpc-0123456789abcdef0"

_subnet := "subnet:id:subnet-0123456789abcdef0"

_template := "launch_template:lt-0123456789abcdef0:7"

_cases := {
	"all": {"without": [], "want": {_type, _vpc, _subnet, _template}},
	"no template": {"without": ["facts/instance/tags"], "want": {_type, _vpc, _subnet}},
	"no version": {"without": ["facts/instance/tags/aws:ec2launchtemplate:version"], "want": {_type, _vpc, _subnet}},
	"no VPC": {"without": ["facts/instance/vpc_id", "facts/instance/subnet_id"], "want": {_type, _template}},
	"no type": {"without": ["evidence/instance_type"], "want": {_vpc, _subnet, _template}},
	"no instance": {"without": ["facts/instance"], "want": {_type}},
	"nothing": {"without": ["facts", "evidence"], "want": set()},
}

test_cases if count(_cases) == 7

test_instance_selectors[name] if {
	some name, tc in _cases
	selectors := aws_iid.decision.selectors with input as json.remove(_launched, tc.without)
		with data.gatehouse.config as fixtures.config
	_own(selectors) == tc.want
}
