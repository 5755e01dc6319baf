package gatehouse.aws_iid

# METADATA
# title: The account is on the list, in this region
# description: |
#   data.fleet.accounts.allowed lists regions by account. Unlike allowed_account_ids in
#   plugin_data it changes without SPIRE, and needs no API of the organization.
#   Others are refused before AWS is asked.
admission_violation contains {"rule": "account_list", "msg": msg} if {
	not _account_listed
	msg := $"account {input.evidence.account_id} is not listed for region {input.evidence.region}"
}

_account_listed if input.evidence.region in data.fleet.accounts.allowed[input.evidence.account_id]
