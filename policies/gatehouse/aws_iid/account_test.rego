package gatehouse.aws_iid_test

import data.gatehouse.aws_iid

_allowed(ids) := object.union(config, {"allowed_account_ids": ids})

_account_reason(id) := {"rule": "account", "msg": $"account {id} is not among the allowed accounts"}

test_account_accepts_an_allowed_one if {
	aws_iid.admission_violation == set() with input as admission_input
		with data.gatehouse.config as _allowed(["210987654321", "123456789012"])
}

_other_accounts := {
	"another": "210987654321",
	"one that begins alike": "1234567890123",
	"one that ends alike": "23456789012",
	"a number": 123456789012,
	"empty": "",
}

test_account_cases if count(_other_accounts) == 5

test_account_denies[name] if {
	some name, id in _other_accounts
	aws_iid.admission_violation == {_account_reason("123456789012")} with input as admission_input
		with data.gatehouse.config as _allowed([id])
}

test_account_denies_a_missing_account if {
	aws_iid.admission_violation == {_account_reason("<undefined>")}
		with input as without(admission_input, "evidence/account_id")
		with data.gatehouse.config as _allowed(["123456789012"])
}

test_account_accepts_any_without_a_list if {
	aws_iid.admission_violation == set() with input as admission_input
		with data.gatehouse.config as _allowed([])
}
