# METADATA
# title: A good machine for the tests
# description: Each test starts from these documents and changes one thing.
package gatehouse.azure_msi_test

tenant := "9e85e111-1103-48fc-a933-9533fe47de05"

subscription := "0a7d5b3c-2b8e-4c1f-9f6b-0d9a6f2f4e11"

principal := "853b9a84-5bfa-4b22-a3f3-0b9a43d9ad8a"

config := {
	"tenants": {tenant: settings},
	"agent_path_template": "",
	"cloud": "public",
	"authority": "https://login.microsoftonline.com",
	"signature_algorithms": ["RS256"],
	"cloud_timeout": "20s",
	"enforcement": {},
}

# Of the good machine's tenant.
settings := {
	"resource_id": "https://management.azure.com/",
	"subscription_id": "",
	"app_id": "",
	"credential": "default",
}

# The configuration with other settings for that tenant.
configured(change) := object.union(config, {"tenants": {tenant: change}})

# The configuration where tokens are for an API of one's own.
own_api := configured({"resource_id": "api://gatehouse"})

machine := object.union(vm_id, {"claim": "xms_mirid"})

vm_id := {
	"id": $"/subscriptions/{subscription}/resourcegroups/web-rg/providers/microsoft.compute/virtualmachines/web-1",
	"subscription_id": subscription,
	"provider": "microsoft.compute",
	"type": "virtualmachines",
	"resource_group": "web-rg",
	"name": "Web-1",
}

scale_set := {
	"id": $"/subscriptions/{subscription}/resourcegroups/web-rg/providers/microsoft.compute/virtualmachinescalesets/web",
	"subscription_id": subscription,
	"provider": "microsoft.compute",
	"type": "virtualmachinescalesets",
	"resource_group": "web-rg",
	"name": "web",
	"claim": "xms_mirid",
}

evidence := {
	"tenant_id": tenant,
	"principal_id": principal,
	"object_id": principal,
	"audience": "https://management.azure.com/",
	"issuer": $"https://sts.windows.net/{tenant}/",
	"version": "1.0",
	"app_id": "6f3c1d5e-0d8e-4f53-9a53-4f5dd8f4d0a1",
	"id_type": "app",
	"issued_at": "2026-01-02T03:00:00Z",
	"not_before": "2026-01-02T03:00:00Z",
	"expires_at": "2026-01-03T03:05:00Z",
	"identity_kind": "system_assigned",
	"machine": machine,
	"xms_mirid": vm_id,
	"algorithm": "RS256",
	"key_id": "key-a",
	"key_issuer": "https://login.microsoftonline.com/{tenantid}/v2.0",
	"token_sha256": "1111111111111111111111111111111111111111111111111111111111111111",
}

# What a token for an API of one's own says: no machine, no idtyp.
nameless := object.union(
	object.remove(evidence, ["machine", "xms_mirid", "identity_kind", "id_type"]),
	{"audience": "api://gatehouse"},
)

virtual_machine := {
	"id": vm_id.id,
	"subscription_id": subscription,
	"resource_group": "Web-RG",
	"name": "web-1",
	"vm_id": "f5e3c9d2-3f4e-4d0a-9c1b-0a1b2c3d4e5f",
	"location": "westeurope",
	"zone": "2",
	"size": "Standard_D2s_v3",
	"tags": {"Environment": "production"},
	"provisioning_state": "Succeeded",
	"created_at": "2026-01-02T02:00:00Z",
}

_network_id(name) := concat("", [
	$"/subscriptions/{subscription}/resourcegroups/net-rg/providers/microsoft.network/",
	name,
])

security_group := {"id": _network_id("networksecuritygroups/web"), "resource_group": "Net-RG", "name": "Web"}

virtual_network := {"id": _network_id("virtualnetworks/main"), "resource_group": "Net-RG", "name": "Main"}

subnet := {
	"id": _network_id("virtualnetworks/main/subnets/front"),
	"resource_group": "Net-RG",
	"virtual_network": "Main",
	"name": "front",
}

network := {
	"interfaces": [{
		"id": _network_id("networkinterfaces/web-1"),
		"subscription_id": subscription,
		"resource_group": "Net-RG",
		"name": "web-1",
		"primary": true,
		"mac_address": "00-0D-3A-11-22-33",
		"private_ips": ["10.0.0.4"],
		"security_group": security_group,
		"subnets": [subnet],
	}],
	"security_groups": [security_group],
	"virtual_networks": [virtual_network],
	"subnets": [subnet],
}

# What admission sees.
admission_input := {
	"plugin": "azure_msi",
	"trust_domain": "example.org",
	"time": "2026-01-02T03:04:05Z",
	"peer": {"ip": "10.0.0.4"},
	"evidence": evidence,
	"tofu": {"attested": false, "claimed": false},
}

# What decision sees.
decision_input := object.union(admission_input, {
	"facts": {"virtual_machine": virtual_machine, "network": network},
	"facts_status": {},
})

# What decision sees where nobody can ask Resource Manager.
token_only := object.union(admission_input, {
	"facts": {},
	"facts_status": {"virtual_machine": "not_collected", "network": "not_collected"},
})

# The agent path of the good machine.
path := $"/spire/agent/azure_msi/{tenant}/{principal}"

# doc with the value at a JSON pointer replaced or added.
changed(doc, pointer, value) := json.patch(doc, [{"op": "add", "path": pointer, "value": value}])

# doc without the value at a JSON pointer.
without(doc, pointer) := json.remove(doc, [pointer])
