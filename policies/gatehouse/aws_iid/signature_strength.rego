package gatehouse.aws_iid

# METADATA
# title: The document is signed with RSA-2048
# description: |
#   AWS signs each document twice. An agent that leaves the RSA-2048 signature out
#   would have the weaker RSA-1024 one count.
admission_violation contains {"rule": "signature_strength", "msg": msg} if {
	not input.evidence.signature_kind == "rsa2048"
	msg := $"the identity document is signed with {input.evidence.signature_kind}, not with rsa2048"
}
