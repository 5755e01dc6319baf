package gatehouse.azure_msi

# METADATA
# title: The token is an application's
# description: |
#   A token with idtyp "app" and without scopes. Tokens for an API of your own have no
#   idtyp unless that API asks for it: of those, an application's has no scopes and is
#   about the principal that it is issued to.
admission_violation contains {"rule": "token_kind", "msg": msg} if {
	not _application_token
	msg := concat("", [
		$"the token of principal {input.evidence.principal_id} is not an application's: ",
		$"idtyp {input.evidence.id_type}, scp {input.evidence.scopes}, oid {input.evidence.object_id}",
	])
}

# METADATA
# title: The token is a machine's
# description: |
#   A machine's token for one of Microsoft's services names the machine: a virtual
#   machine, or a scale set or its instance. What names something else, a container
#   or an identity without its machine, is refused.
#
#   Tokens for an API of your own name nothing at all, whoever has them. They pass
#   here. Where Resource Manager can be asked, the rule virtual_machine wants a
#   machine that holds the principal; where it can't, every application that the
#   tenant lets have a token for that API is taken for a machine.
admission_violation contains {"rule": "token_kind", "msg": msg} if {
	not _machine_token
	msg := concat("", [
		$"the token of principal {input.evidence.principal_id} for {input.evidence.audience} is not a machine's: ",
		$"xms_mirid {input.evidence.xms_mirid.id}, xms_az_rid {input.evidence.xms_az_rid.id}",
	])
}

_application_token if {
	input.evidence.id_type == "app"
	_no_scopes
}

_application_token if {
	not input.evidence.id_type
	_no_scopes
	lower(input.evidence.principal_id) == input.evidence.object_id
}

_no_scopes if count(object.get(input.evidence, "scopes", [])) == 0

_machine_token if input.evidence.machine

_machine_token if {
	input.evidence.audience
	not _microsoft_audience
	not input.evidence.xms_mirid
	not input.evidence.xms_az_rid
}

_microsoft_audience if {
	some domain in _microsoft_domains
	_audience_host == domain
}

_microsoft_audience if {
	some domain in _microsoft_domains
	endswith(_audience_host, concat("", [".", domain]))
}

_audience_host := host if {
	parts := split(lower(input.evidence.audience), "/")
	parts[0] in {"https:", "http:"}
	parts[1] == ""
	host := split(parts[2], ":")[0]
}

# Where Azure's own services are, in all clouds.
_microsoft_domains := {
	"azure.com",
	"azure.net",
	"microsoft.com",
	"windows.net",
	"azure.us",
	"microsoft.us",
	"usgovcloudapi.net",
	"azure.cn",
	"chinacloudapi.cn",
}
