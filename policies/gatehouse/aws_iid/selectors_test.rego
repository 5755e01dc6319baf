package gatehouse.aws_iid_test

import data.gatehouse.aws_iid

_document_selectors := {
	"account_id:123456789012",
	"az:us-west-2a",
	"image:id:ami-0fa9e1f64142cde17",
	"instance:id:i-0123456789abcdef0",
	"region:us-west-2",
}

test_selectors_of_the_document if {
	aws_iid.selector == _document_selectors with input as admission_input
}

test_selectors_of_tags if {
	tags := {"Name": "blog", "empty": "", "a:b": "c", "aws:autoscaling:groupName": "asg/1", "Ünï": "日本"}
	aws_iid.selector == _document_selectors | {
		"sg:id:sg-0123456789abcdef0",
		"sg:name:web",
		"tag:Name:blog",
		"tag:empty:",
		"tag:a:b:c",
		"tag:aws:autoscaling:groupName:asg/1",
		"tag:Ünï:日本",
	} with input as changed(decision_input, "facts/instance/tags", tags)
}

test_selectors_of_security_groups if {
	groups := [{"id": "sg-1", "name": "web"}, {"id": "sg-2", "name": "db:x"}, {"id": "sg-3"}]
	aws_iid.selector == _document_selectors | {
		"sg:id:sg-1",
		"sg:id:sg-2",
		"sg:id:sg-3",
		"sg:name:",
		"sg:name:db:x",
		"sg:name:web",
		"tag:Name:blog",
	} with input as changed(decision_input, "facts/instance/security_groups", groups)
}

test_selectors_of_an_instance_without_tags_and_groups if {
	bare := json.remove(decision_input, ["facts/instance/tags", "facts/instance/security_groups"])
	aws_iid.selector == _document_selectors with input as bare
}
