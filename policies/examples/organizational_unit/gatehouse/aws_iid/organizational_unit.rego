package gatehouse.aws_iid

# METADATA
# title: The rule rests on the account's place in the organization
# description: |
#   Organizations must be asked, so that verify_organization must be configured, and
#   without account_list_file: a file knows no units.
required_fact contains "organization"

# METADATA
# title: The account is in an allowed organizational unit
# description: |
#   data.fleet.organizational_units.allowed lists units by ID; an account in a unit
#   below one of them is in it too.
violation contains {"rule": "organizational_unit", "msg": msg} if {
	not _unit_allowed
	msg := concat("", [
		$"account {input.evidence.account_id} is in no allowed organizational unit, ",
		$"but at {input.facts.organization.paths}",
	])
}

_unit_allowed if {
	input.facts.organization.account_id == input.evidence.account_id
	some path in input.facts.organization.paths
	some unit in split(path, "/")
	unit in data.fleet.organizational_units.allowed
}
