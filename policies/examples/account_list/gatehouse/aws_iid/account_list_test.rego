package account_list_test

import data.gatehouse.aws_iid
import data.gatehouse.aws_iid_test as fixtures

good_inputs := {"listed": fixtures.decision_input}

good_data := {"accounts": {"allowed": {
	"123456789012": ["us-east-1", "us-west-2"],
	"210987654321": ["eu-west-1"],
}}}

_own(reasons) := {reason | some reason in reasons; reason.rule == "account_list"}

_unlisted(account, region) := {{
	"rule": "account_list",
	"msg": $"account {account} is not listed for region {region}",
}}

_from(account, region) := fixtures.changed(
	fixtures.changed(fixtures.admission_input, "evidence/account_id", account),
	"evidence/region", region,
)

test_listed if {
	violations := aws_iid.admission.violations with input as fixtures.admission_input
		with data.gatehouse.config as fixtures.config
		with data.fleet.accounts as good_data.accounts
	_own(violations) == set()
}

_others := {
	"another account": ["999999999999", "us-west-2"],
	"a look-alike": ["12345678901", "us-west-2"],
	"another region": ["123456789012", "eu-west-1"],
	"an account in another's region": ["210987654321", "us-west-2"],
	"empty": ["", ""],
}

test_cases if count(_others) == 5

test_unlisted[name] if {
	some name, [account, region] in _others
	violations := aws_iid.admission.violations with input as _from(account, region)
		with data.gatehouse.config as fixtures.config
		with data.fleet.accounts as good_data.accounts
	_own(violations) == _unlisted(account, region)
}

test_missing[pointer] if {
	some pointer, want in {
		"evidence": _unlisted("<undefined>", "<undefined>"),
		"evidence/account_id": _unlisted("<undefined>", "us-west-2"),
		"evidence/region": _unlisted("123456789012", "<undefined>"),
	}
	violations := aws_iid.admission.violations with input as fixtures.without(fixtures.admission_input, pointer)
		with data.gatehouse.config as fixtures.config
		with data.fleet.accounts as good_data.accounts
	_own(violations) == want
}

test_bad_list[name] if {
	some name, accounts in {
		"empty": {"allowed": {}},
		"no regions": {"allowed": {"123456789012": []}},
		"missing": {},
		"null": {"allowed": null},
	}
	violations := aws_iid.admission.violations with input as fixtures.admission_input
		with data.gatehouse.config as fixtures.config
		with data.fleet.accounts as accounts
	_own(violations) == _unlisted("123456789012", "us-west-2")
}

# The list as it is: a slip in it is found before it takes over.
test_list_is_well_formed if {
	every account, regions in data.fleet.accounts.allowed {
		regex.match(`^[0-9]{12}$`, account)
		every region in regions {
			regex.match(`^[a-z]{2,4}(-[a-z]+)+-[0-9]$`, region)
		}
	}
}
