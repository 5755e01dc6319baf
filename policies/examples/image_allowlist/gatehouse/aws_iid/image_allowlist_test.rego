package image_allowlist_test

import data.gatehouse.aws_iid
import data.gatehouse.aws_iid_test as fixtures

good_inputs := {"allowed": fixtures.decision_input}

good_data := {"images": {"allowed": ["ami-0fa9e1f64142cde17"]}}

_own(reasons) := {reason | some reason in reasons; reason.rule == "image_allowlist"}

_not_allowed(image) := {{
	"rule": "image_allowlist",
	"msg": $"image {image} of instance i-0123456789abcdef0 is not among the allowed ones",
}}

_image(id) := fixtures.changed(fixtures.admission_input, "evidence/image_id", id)

test_allowed if {
	violations := aws_iid.admission.violations with input as fixtures.admission_input
		with data.gatehouse.config as fixtures.config
		with data.fleet.images as good_data.images
	_own(violations) == set()
}

_images := [
	"ami-0fa9e1f64142cde18",
	"ami-0fa9e1f64142cde1",
	"ami-0fa9e1f64142cde170",
	"AMI-0FA9E1F64142CDE17",
	"",
	null,
]

test_cases if count(_images) == 6

test_other_image[shown] if {
	some image in _images
	shown := $"{image}"
	violations := aws_iid.admission.violations with input as _image(image)
		with data.gatehouse.config as fixtures.config
		with data.fleet.images as good_data.images
	_own(violations) == _not_allowed(image)
}

test_no_image if {
	doc := fixtures.without(fixtures.admission_input, "evidence/image_id")
	violations := aws_iid.admission.violations with input as doc
		with data.gatehouse.config as fixtures.config
		with data.fleet.images as good_data.images
	_own(violations) == _not_allowed("<undefined>")
}

test_bad_list[name] if {
	some name, images in {
		"empty": {"allowed": []},
		"missing": {},
		"null": {"allowed": null},
		"text": {"allowed": "ami-0fa9e1f64142cde17"},
	}
	violations := aws_iid.admission.violations with input as fixtures.admission_input
		with data.gatehouse.config as fixtures.config
		with data.fleet.images as images
	_own(violations) == _not_allowed("ami-0fa9e1f64142cde17")
}

# The list as it is: a slip in it is found before it takes over.
test_list_is_well_formed if {
	every image in data.fleet.images.allowed {
		regex.match(`^ami-[0-9a-f]{8,17}$`, image)
	}
}
