package gatehouse.aws_iid_test

import data.gatehouse.aws_iid

_signature_kinds := {
	"the weaker signature": {"kind": "rsa1024", "shown": "rsa1024"},
	"upper case": {"kind": "RSA2048", "shown": "RSA2048"},
	"a longer name": {"kind": "rsa20480", "shown": "rsa20480"},
	"trailing space": {"kind": "rsa2048 ", "shown": "rsa2048 "},
	"empty": {"kind": "", "shown": ""},
	"null": {"kind": null, "shown": "null"},
	"a list": {"kind": ["rsa2048"], "shown": `["rsa2048"]`},
}

test_signature_strength_cases if count(_signature_kinds) == 7

test_signature_strength_denies[name] if {
	some name, tc in _signature_kinds
	aws_iid.admission_violation == {{
		"rule": "signature_strength",
		"msg": $"the identity document is signed with {tc.shown}, not with rsa2048",
	}} with input as changed(admission_input, "evidence/signature_kind", tc.kind)
		with data.gatehouse.config as config
}

test_signature_strength_denies_a_missing_kind if {
	aws_iid.admission_violation == {{
		"rule": "signature_strength",
		"msg": "the identity document is signed with <undefined>, not with rsa2048",
	}} with input as without(admission_input, "evidence/signature_kind")
		with data.gatehouse.config as config
}
