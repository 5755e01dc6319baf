package gatehouse.aws_iid_test

import data.gatehouse.aws_iid

_org_config := object.union(config, {"verify_organization": {
	"management_account_id": "999999999999",
	"management_account_region": "us-west-2",
	"assume_org_role": "reader",
	"org_account_map_ttl": "3m0s",
	"account_list_file": "",
}})

_account := {"account_id": "123456789012", "source": "organizations"}

# The good instance with a fact about its account.
_org_input(account) := changed(decision_input, "facts/organization", account)

_org_reason(text) := {"rule": "organization", "msg": $"account 123456789012 {text}"}

_not_known_member := _org_reason("is not known to belong to the organization")

_members := {
	"state": {"state": "ACTIVE"},
	"state and status": {"state": "ACTIVE", "status": "ACTIVE"},
	"state against status": {"state": "ACTIVE", "status": "SUSPENDED"},
	"status alone": {"status": "ACTIVE"},
	"file": {"source": "file"},
}

test_organization_member_cases if count(_members) == 5

test_organization_accepts[name] if {
	some name, change in _members
	aws_iid.violation == set() with input as _org_input(object.union(_account, change))
		with data.gatehouse.config as _org_config
}

_not_active := {
	"pending": {"account": {"state": "PENDING_ACTIVATION"}, "shown": "PENDING_ACTIVATION"},
	"suspended": {"account": {"state": "SUSPENDED"}, "shown": "SUSPENDED"},
	"closing": {"account": {"state": "PENDING_CLOSURE"}, "shown": "PENDING_CLOSURE"},
	"closed": {"account": {"state": "CLOSED"}, "shown": "CLOSED"},
	"state against status": {"account": {"state": "SUSPENDED", "status": "ACTIVE"}, "shown": "SUSPENDED"},
	"lower case": {"account": {"state": "active"}, "shown": "active"},
	"empty state": {"account": {"state": "", "status": "ACTIVE"}, "shown": ""},
	"null state": {"account": {"state": null, "status": "ACTIVE"}, "shown": "null"},
	"status": {"account": {"status": "SUSPENDED"}, "shown": "SUSPENDED"},
	"neither": {"account": {}, "shown": "<undefined>"},
	"other source": {"account": {"source": "files"}, "shown": "<undefined>"},
}

test_organization_not_active_cases if count(_not_active) == 11

test_organization_denies[name] if {
	some name, tc in _not_active
	aws_iid.violation == {_org_reason($"is {tc.shown} in the organization, not ACTIVE")}
		with input as _org_input(object.union(_account, tc.account))
		with data.gatehouse.config as _org_config
}

test_organization_denies_an_account_that_is_not_listed if {
	aws_iid.violation == {_org_reason("does not belong to the organization")}
		with input as changed(decision_input, "facts_status/organization", "absent")
		with data.gatehouse.config as _org_config
}

test_organization_denies_a_fact_that_is_not_there[status] if {
	some status in ["error", "not_collected", ""]
	aws_iid.violation == {_not_known_member} with data.gatehouse.config as _org_config
		with input as changed(decision_input, "facts_status/organization", status)
}

test_organization_denies_without_a_status if {
	aws_iid.violation == {_not_known_member} with data.gatehouse.config as _org_config
		with input as decision_input
}

_other_facts := {
	"another account": {"account_id": "210987654321", "state": "ACTIVE"},
	"another account in the file": {"account_id": "210987654321", "source": "file"},
	"no account": {"account_id": null, "state": "ACTIVE"},
}

test_organization_other_fact_cases if count(_other_facts) == 3

test_organization_denies_facts_of_another_account[name] if {
	some name, change in _other_facts
	aws_iid.violation == {_not_known_member} with data.gatehouse.config as _org_config
		with input as _org_input(object.union(_account, change))
}

test_organization_denies_a_document_without_account if {
	aws_iid.violation == {{
		"rule": "organization",
		"msg": "account <undefined> is not known to belong to the organization",
	}} with data.gatehouse.config as _org_config
		with input as without(_org_input(object.union(_account, {"state": "ACTIVE"})), "evidence/account_id")
}

# Nothing is asked for, and nothing judged, where it isn't configured.
test_organization_is_not_judged_without_configuration if {
	aws_iid.violation == set() with data.gatehouse.config as config
		with input as _org_input(object.union(_account, {"state": "SUSPENDED"}))
}

_org_facts := {
	"not configured": {"config": config, "required": set(), "optional": set()},
	"deny": {"config": enforced(_org_config, "organization", "deny"), "required": {"organization"}, "optional": set()},
	"warn": {"config": enforced(_org_config, "organization", "warn"), "required": set(), "optional": {"organization"}},
	"off": {"config": enforced(_org_config, "organization", "off"), "required": set(), "optional": set()},
	"other rule": {"config": enforced(_org_config, "account", "off"), "required": {"organization"}, "optional": set()},
}

test_organization_fact_cases if count(_org_facts) == 5

test_organization_asks[name] if {
	some name, tc in _org_facts
	aws_iid.required_fact == tc.required | {"instance", "instance_profile"} with data.gatehouse.config as tc.config
	aws_iid.optional_fact == tc.optional with data.gatehouse.config as tc.config
}
