package gatehouse.aws_iid

# METADATA
# title: The team alone
# description: As a selector of its own. It forgets that there may be none.
selector contains object.get(input.facts.instance.tags, "team", "")
