package gatehouse.aws_iid

# METADATA
# title: Membership is looked up
# description: Only where verify_organization is configured; required where the rule denies.
required_fact contains "organization" if {
	data.gatehouse.config.verify_organization
	not data.gatehouse.config.enforcement.organization == "warn"
	not data.gatehouse.config.enforcement.organization == "off"
}

# METADATA
# title: Membership is looked up in a dry run
# description: A rule that only warns does not stop an attestation for a fact that can't be learned.
optional_fact contains "organization" if {
	data.gatehouse.config.verify_organization
	data.gatehouse.config.enforcement.organization == "warn"
}

# METADATA
# title: The account belongs to the organization
# description: |
#   The organization lists the account, and as active: AWS's state, or its older
#   status where there is no state. A list in a file has active accounts only.
violation contains {"rule": "organization", "msg": $"account {input.evidence.account_id} {_membership}"} if {
	data.gatehouse.config.verify_organization
	not _active_member
}

_active_member if {
	_listed
	input.facts.organization.source == "file"
}

_active_member if {
	_listed
	input.facts.organization.state == "ACTIVE"
}

_active_member if {
	_listed
	not input.facts.organization.state
	input.facts.organization.status == "ACTIVE"
}

_listed if input.facts.organization.account_id == input.evidence.account_id

_account_state := input.facts.organization.state

_account_state := input.facts.organization.status if not input.facts.organization.state

default _membership := "is not known to belong to the organization"

_membership := $"is {_account_state} in the organization, not ACTIVE" if {
	_listed
	input.facts.organization.source != "file"
}

_membership := "does not belong to the organization" if {
	not input.facts.organization
	input.facts_status.organization == "absent"
}
