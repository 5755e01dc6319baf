package gatehouse.aws_iid

# METADATA
# title: The account is an allowed one
# description: |
#   Where allowed_account_ids is configured, other accounts are refused before AWS
#   is asked: else the document would choose the account whose role is assumed.
admission_violation contains {"rule": "account", "msg": msg} if {
	count(data.gatehouse.config.allowed_account_ids) > 0
	not _account_allowed
	msg := $"account {input.evidence.account_id} is not among the allowed accounts"
}

_account_allowed if input.evidence.account_id in data.gatehouse.config.allowed_account_ids
