package azuremsi_test

import (
	"strings"
	"testing"

	"github.com/spire-gatehouse/gatehouse/evidence/azuremsi"
	"github.com/spire-gatehouse/gatehouse/internal/testauthority/entra"
)

// TestShape pins the names that policies use.
func TestShape(t *testing.T) {
	a := usual(t)
	edit(a, withScaleSet)
	authority, c := collectorFor(t, a)
	token := authority.Issue(keys().a, vm(), now).With("scp", "user_impersonation")
	ev, problem := verify(t, c, token.Sign())
	if problem != "" {
		t.Fatal(problem)
	}
	claims := ev.Claims().(azuremsi.Claims)
	claims.TokenSHA256, claims.AzureResource = "00", claims.ManagedIdentity
	facts := ev.Gather(t.Context(), both)
	resource := `"id":"` + strings.ToLower(vmID) + `","subscription_id":"` + subscription + `","provider":"microsoft.compute","type":"virtualmachines",` +
		`"resource_group":"Web-RG","name":"Web-1"`
	subnet := func(name string) string {
		return `{"id":"` + strings.ToLower(networkID) + `/subnets/` + name + `","resource_group":"Net-RG","virtual_network":"Main","name":"` + name + `"}`
	}
	group := `{"id":"` + strings.ToLower(groupID) + `","resource_group":"Net-RG","name":"Web-NSG"}`
	for _, test := range []struct {
		name  string
		value any
		want  string
	}{
		{"evidence", claims, `{"tenant_id":"` + tenantID + `","principal_id":"` + principalID + `","object_id":"` + principalID + `",` +
			`"audience":"https://management.azure.com/","issuer":"https://sts.windows.net/` + tenantID + `/","version":"1.0",` +
			`"app_id":"6f3c1d5e-0d8e-4f53-9a53-4f5dd8f4d0a1","id_type":"app","scopes":["user_impersonation"],` +
			`"issued_at":"2026-03-04T12:00:00Z","not_before":"2026-03-04T12:00:00Z","expires_at":"2026-03-05T12:05:00Z",` +
			`"identity_kind":"system_assigned","machine":{` + resource + `,"claim":"xms_mirid"},` +
			`"xms_mirid":{` + resource + `},"xms_az_rid":{` + resource + `},` +
			`"algorithm":"RS256","key_id":"key-a","key_issuer":"https://login.microsoftonline.com/{tenantid}/v2.0","token_sha256":"00"}`},
		{"virtual_machine", facts["virtual_machine"].Value, `{"id":"` + strings.ToLower(vmID) + `","subscription_id":"` + subscription + `",` +
			`"resource_group":"Web-RG","name":"Web-1","vm_id":"f5e3c9d2-3f4e-4d0a-9c1b-0a1b2c3d4e5f","location":"westeurope","zone":"2",` +
			`"size":"Standard_D2s_v3","tags":{"Environment":"production","empty":""},` +
			`"scale_set":{"id":"` + strings.ToLower(scaleSetID) + `","resource_group":"Web-RG","name":"workers"},` +
			`"provisioning_state":"Succeeded","created_at":"2026-03-04T11:00:00Z"}`},
		{"network", facts["network"].Value, `{"interfaces":[` +
			`{"id":"` + strings.ToLower(nicID) + `","subscription_id":"` + subscription + `","resource_group":"web-rg","name":"web-1-nic","primary":true,` +
			`"mac_address":"00-0D-3A-11-22-33","private_ips":["10.0.0.4"],"security_group":` + group + `,"subnets":[` + subnet("front") + `]},` +
			`{"id":"` + strings.ToLower(foreignNICID) + `","subscription_id":"` + otherSub + `","resource_group":"Common","name":"backup-nic","primary":false,` +
			`"mac_address":"00-0D-3A-11-22-33","private_ips":["10.0.1.4"],"subnets":[` + subnet("back") + `]}],` +
			`"security_groups":[` + group + `],` +
			`"virtual_networks":[{"id":"` + strings.ToLower(networkID) + `","resource_group":"Net-RG","name":"Main"}],` +
			`"subnets":[` + subnet("back") + `,` + subnet("front") + `]}`},
	} {
		if got := toJSON(t, test.value); got != test.want {
			t.Errorf("%s:\n got %s\nwant %s", test.name, got, test.want)
		}
	}
	empty := newAzure()
	empty.vms[strings.ToLower(vmID)] = minimal()
	authority, c = collectorFor(t, empty)
	bare := gather(t, authority, c, authority.Issue(keys().a, entra.Machine{Tenant: tenantID, Principal: principalID, ManagedIdentity: vmID}, now))
	if got, want := toJSON(t, bare["network"].Value), `{"interfaces":[],"security_groups":[],"virtual_networks":[],"subnets":[]}`; got != want {
		t.Errorf("got %s", got)
	}
	if got, want := toJSON(t, bare["virtual_machine"].Value), `{"id":"`+strings.ToLower(vmID)+`","subscription_id":"`+subscription+`","resource_group":"Web-RG","name":"Web-1"}`; got != want {
		t.Errorf("got %s", got)
	}
}
