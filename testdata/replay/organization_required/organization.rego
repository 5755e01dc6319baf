package gatehouse.aws_iid

# METADATA
# title: Membership is looked up always
# description: Of every account.
required_fact contains "organization"
