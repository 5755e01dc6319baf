package e2e_test

import (
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/compute/armcompute/v8"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/network/armnetwork/v9"

	"github.com/spire-gatehouse/gatehouse/e2e/stage"
	"github.com/spire-gatehouse/gatehouse/e2e/standin/azure"
	"github.com/spire-gatehouse/gatehouse/internal/testauthority/entra"
)

// azureCase is one machine, before SPIRE's built-in and before Gatehouse. It is a
// good one but for what vm and token change.
type azureCase struct {
	name  string
	vm    func(*azureNode)
	token func(entra.Token) entra.Token

	// payload changes what the agent sends.
	payload func(string) string

	// want is the verdict of both; of the built-in alone where differs is set. says
	// is part of its error.
	want verdict
	says string

	// differs is set where the two intentionally do: it begins the row of
	// docs/differences.md that says why. gatehouse is Gatehouse's verdict then.
	differs   string
	gatehouse verdict

	// reason is part of what Gatehouse's log names: rules and reason.
	reason string

	// selectors are those of a machine that only Gatehouse lets in, without those
	// of a good one that it has as well, or with "-" before what it has not.
	selectors []string
}

// An azureNode is a machine, with what Resource Manager knows beside it.
type azureNode struct {
	stage.VM
	interfaces []armnetwork.Interface
	instances  []armcompute.VirtualMachineScaleSetVM
	absent     bool // Resource Manager doesn't know it

	keys   azureKeys
	replay bool // its token was used before
}

// azureKeys are published by the authority beside the one that it signs with.
type azureKeys struct {
	twins    [2]entra.Key // of one ID
	consumer entra.Key    // for tokens of personal accounts
}

func newAzureKeys() azureKeys {
	k := azureKeys{twins: [2]entra.Key{azure.NewKey("twin"), azure.NewKey("twin")}, consumer: azure.NewKey("consumer")}
	k.consumer.Issuer = strings.ReplaceAll(entra.IssuerV2, "{tenantid}", entra.ConsumerTenant)
	return k
}

func claim(name string, value any) func(entra.Token) entra.Token {
	return func(token entra.Token) entra.Token { return token.With(name, value) }
}

func noClaim(name string) func(entra.Token) entra.Token {
	return func(token entra.Token) entra.Token { return token.Without(name) }
}

// between is when a token is valid, from now on.
func between(begin, end time.Duration) func(entra.Token) entra.Token {
	return func(token entra.Token) entra.Token {
		now := time.Now()
		return token.With("iat", now.Add(begin).Unix()).With("nbf", now.Add(begin).Unix()).With("exp", now.Add(end).Unix())
	}
}

func signedBy(pick func(azureKeys) entra.Key, version string) func(*azureNode) {
	return func(n *azureNode) {
		key := pick(n.keys)
		n.Metadata.Identity.Version = version
		n.Metadata.Change = func(token entra.Token) entra.Token {
			token.Key = key
			return token.WithHeader("kid", key.ID).WithHeader("x5t", key.ID)
		}
	}
}

const azureGroups = "/subscriptions/" + azureSubscription + "/resourceGroups/"

// azureTokenCases are about what the token says.
func azureTokenCases() []azureCase {
	const (
		otherTimes   = "a time (`exp`, `nbf`, `iat`) missing"
		otherIssuer  = "an issuer that is not the tenant's own"
		otherPayload = "a payload with unknown keys, or keys twice"
		notMachines  = "a user's token, an application registration's"
	)
	return []azureCase{
		{name: "version 2.0", vm: func(n *azureNode) { n.Metadata.Identity.Version = "2.0" }, want: accepts},
		{name: "subject in upper case", token: func(t entra.Token) entra.Token { return t.With("sub", strings.ToUpper(t.Claims["sub"].(string))) }, want: accepts},
		{name: "expired four minutes ago", token: between(-time.Hour, -4*time.Minute), want: accepts},
		{name: "expired six minutes ago", token: between(-time.Hour, -6*time.Minute), want: denies, says: "expired", reason: "expired"},
		{name: "valid in four minutes", token: between(4*time.Minute, time.Hour), want: accepts},
		{name: "valid in six minutes", token: between(6*time.Minute, time.Hour), want: denies, says: "nbf", reason: "not valid before"},
		{name: "other audience", token: claim("aud", "https://graph.microsoft.com/"), want: denies, says: "aud", reason: "resource_id"},
		{name: "audience without its slash", token: claim("aud", strings.TrimSuffix(entra.ResourceManager, "/")), want: denies, says: "aud", reason: "resource_id"},
		{name: "other tenant", vm: func(n *azureNode) { n.Metadata.Identity.Tenant = azureOtherTenant }, want: denies, says: "not authorized", reason: "tenant"},
		{name: "no subject", token: noClaim("sub"), want: denies, says: "subject", reason: "sub is missing"},
		{name: "no tenant", token: noClaim("tid"), want: denies, says: "tenant ID", reason: "tid"},
		{name: "no key ID", token: func(t entra.Token) entra.Token { return t.WithoutHeader("kid") }, want: denies, says: "key id", reason: "kid"},
		{name: "own key under a known ID", token: func(t entra.Token) entra.Token {
			id := t.Key.ID
			t.Key = entra.NewKey(id)
			return t
		}, want: denies, says: "verify token", reason: "signature"},
		{name: "again", vm: func(n *azureNode) { n.replay = true }, want: denies, says: "already been used", reason: "tofu"},

		{name: "other tenant's issuer", token: claim("iss", "https://sts.windows.net/"+azureOtherTenant+"/"), want: accepts, differs: otherIssuer, gatehouse: denies, reason: "issuer"},
		{name: "other version's issuer", token: claim("iss", "https://login.microsoftonline.com/"+azureTenant+"/v2.0"), want: accepts, differs: otherIssuer, gatehouse: denies, reason: "issuer"},
		{name: "no issuer", token: noClaim("iss"), want: accepts, differs: otherIssuer, gatehouse: denies, reason: "issuer"},
		{name: "personal accounts' key", vm: signedBy(func(k azureKeys) entra.Key { return k.consumer }, "2.0"), want: accepts,
			differs: "a key that is published for another issuer", gatehouse: denies, reason: "issuer"},
		{name: "several audiences", token: claim("aud", []string{entra.ResourceManager, "https://graph.microsoft.com/"}), want: accepts,
			differs: "several audiences", gatehouse: denies, reason: "aud"},
		{name: "no exp", token: noClaim("exp"), want: accepts, differs: otherTimes, gatehouse: denies, reason: "exp"},
		{name: "no nbf", token: noClaim("nbf"), want: accepts, differs: otherTimes, gatehouse: denies, reason: "nbf"},
		{name: "no iat", token: noClaim("iat"), want: accepts, differs: otherTimes, gatehouse: denies, reason: "iat"},
		{name: "exp null", token: claim("exp", nil), want: accepts, differs: otherTimes, gatehouse: denies, reason: "exp"},
		{name: "RS512", token: func(t entra.Token) entra.Token { return t.WithHeader("alg", "RS512") }, want: accepts,
			differs: "RS384, RS512, PS and ES signatures", gatehouse: denies, reason: "RS512"},
		{name: "20 KiB", token: claim("groups", strings.Repeat("g", 20<<10)), want: accepts,
			differs: "a token over 16 KiB", gatehouse: denies, reason: "bytes"},
		{name: "first of two keys with one ID", vm: signedBy(func(k azureKeys) entra.Key { return k.twins[0] }, "1.0"), want: accepts},
		{name: "second of two keys with one ID", vm: signedBy(func(k azureKeys) entra.Key { return k.twins[1] }, "1.0"), want: denies, says: "verify token",
			differs: "several keys with one ID", gatehouse: accepts},
		{name: "user", token: claim("idtyp", "user"), want: accepts, differs: notMachines, gatehouse: denies, reason: "token_kind"},
		{name: "user's scopes", token: claim("scp", "user_impersonation"), want: accepts, differs: notMachines, gatehouse: denies, reason: "token_kind"},
		{name: "no machine named", token: noClaim("xms_mirid"), want: accepts, differs: notMachines, gatehouse: denies, reason: "token_kind"},
		{name: "other machine named", token: claim("xms_mirid", azureGroups+"Web-RG/providers/Microsoft.Compute/virtualMachines/Other"), want: accepts,
			differs: "a token that names another machine", gatehouse: denies, reason: "virtual_machine"},
		{name: "machine named in another case", token: func(t entra.Token) entra.Token {
			return t.With("xms_mirid", strings.ToLower(t.Claims["xms_mirid"].(string)))
		}, want: accepts},
		{name: "key published a moment ago", vm: func(n *azureNode) {
			cloud, fresh := n.Metadata.Cloud, azure.NewKey("fresh")
			cloud.Authority.Publish(cloud.Key(), n.keys.twins[0], n.keys.twins[1], n.keys.consumer, fresh)
			signedBy(func(azureKeys) entra.Key { return fresh }, "1.0")(n)
		}, want: denies, says: "not found", differs: "a key that was published since the keys were read", gatehouse: accepts},
		{name: "unknown key in the payload", payload: func(p string) string { return `{"node":"web",` + p[1:] }, want: accepts, differs: otherPayload, gatehouse: denies, reason: "node"},
		{name: "token twice in the payload", payload: func(p string) string { return `{"token":"first",` + p[1:] }, want: accepts, differs: otherPayload, gatehouse: denies, reason: "token"},
		{name: "payload of another case", payload: func(p string) string { return strings.Replace(p, "token", "Token", 1) }, want: accepts, differs: otherPayload, gatehouse: denies, reason: "Token"},
		{name: "no token", payload: func(string) string { return "{}" }, want: denies, says: "missing token", reason: "token"},
		{name: "no JSON", payload: func(string) string { return "{" }, want: denies, says: "unmarshal", reason: "payload"},
		{name: "slash in the subject", vm: func(n *azureNode) { n.Machine.Identity.PrincipalID = new("a/b") }, token: claim("sub", "a/b"), want: accepts,
			differs: "a subject that is no segment", gatehouse: denies, reason: "sub"},
	}
}

// azureMachineCases are about what Resource Manager says.
func azureMachineCases() []azureCase {
	const otherSubscription = "/subscriptions/11111111-2222-3333-4444-555555555555/resourceGroups/"
	return []azureCase{
		{name: "good", want: accepts},
		{name: "no security group", vm: func(n *azureNode) { n.NIC.Properties.NetworkSecurityGroup = nil }, want: accepts},
		{name: "no network profile", vm: func(n *azureNode) { n.Machine.Properties.NetworkProfile = nil }, want: accepts},
		{name: "no interfaces", vm: func(n *azureNode) { n.Machine.Properties.NetworkProfile.NetworkInterfaces = nil }, want: accepts},
		{name: "no subnet", vm: func(n *azureNode) { n.NIC.Properties.IPConfigurations[0].Properties.Subnet = nil }, want: accepts},
		{name: "no addresses", vm: func(n *azureNode) { n.NIC.Properties.IPConfigurations = nil }, want: accepts},
		{name: "two interfaces", vm: func(n *azureNode) {
			n.attach(azureGroups+"Common/providers/Microsoft.Network/networkInterfaces/two", "back")
		}, want: accepts},
		{name: "two interfaces in one subnet", vm: func(n *azureNode) {
			n.attach(azureGroups+"Common/providers/Microsoft.Network/networkInterfaces/three", "front")
		}, want: accepts},
		{name: "unknown machine", vm: func(n *azureNode) { n.absent = true }, want: denies, says: "not found", reason: "virtual_machine"},
		{name: "interface is not there", vm: func(n *azureNode) {
			n.Machine.Properties.NetworkProfile.NetworkInterfaces[0].ID = new(azureGroups + "Web-RG/providers/Microsoft.Network/networkInterfaces/gone")
		}, want: denies, says: "network interface", reason: "network"},

		{name: "interface in another case", vm: func(n *azureNode) {
			n.Machine.Properties.NetworkProfile.NetworkInterfaces[0].ID = new(strings.Replace(*n.NIC.ID, "resourceGroups", "resourcegroups", 1))
		}, want: denies, says: "malformed network interface ID", differs: "resource IDs in another case", gatehouse: accepts},
		{name: "machine in another case", vm: func(n *azureNode) {
			n.Machine.ID = new(strings.Replace(*n.Machine.ID, "resourceGroups", "resourcegroups", 1))
		}, want: denies, says: "malformed virtual machine ID", differs: "resource IDs in another case", gatehouse: accepts},
		{name: "interface of another subscription", vm: func(n *azureNode) {
			n.attach(otherSubscription+"Common/providers/Microsoft.Network/networkInterfaces/foreign", "back")
		}, want: denies, says: "network interface", differs: "a network interface of another subscription", gatehouse: accepts,
			selectors: []string{"virtual-network-subnet:Net-RG:Main:back"}},
		{name: "machine made anew", vm: func(n *azureNode) { n.Machine.Identity.PrincipalID = new(azurePrincipal) }, want: denies, says: "not found", reason: "virtual_machine"},
		{name: "user-assigned identity", vm: userAssigned, want: denies, says: "not found", differs: "a user-assigned identity", gatehouse: accepts},
		{name: "instance of a scale set", vm: scaleSetInstance, want: denies, says: "not found", differs: "a scale set's token", gatehouse: accepts,
			selectors: []string{"-network-security-group:", "-virtual-network", "-vm-name:", "vm-name:Web-RG:workers_3"}},
		{name: "no properties", vm: func(n *azureNode) { n.Machine.Properties = nil }, want: panics,
			differs: "a machine, interface or address without `properties`", gatehouse: accepts,
			selectors: []string{"-network-security-group:", "-virtual-network"}},
		{name: "interface without properties", vm: func(n *azureNode) { n.NIC.Properties = nil }, want: panics,
			differs: "a machine, interface or address without `properties`", gatehouse: accepts,
			selectors: []string{"-network-security-group:", "-virtual-network"}},
	}
}

// attach gives the machine another interface in a subnet.
func (n *azureNode) attach(id, subnet string) {
	profile := n.Machine.Properties.NetworkProfile
	profile.NetworkInterfaces = append(profile.NetworkInterfaces, &armcompute.NetworkInterfaceReference{ID: &id})
	n.interfaces = append(n.interfaces, armnetwork.Interface{ID: &id, Properties: &armnetwork.InterfacePropertiesFormat{
		IPConfigurations: []*armnetwork.InterfaceIPConfiguration{{Properties: &armnetwork.InterfaceIPConfigurationPropertiesFormat{
			Subnet: &armnetwork.Subnet{ID: new(azureGroups + "Net-RG/providers/Microsoft.Network/virtualNetworks/Main/subnets/" + subnet)},
		}}},
	}})
}

// userAssigned has the machine's token be of an identity that a user assigned.
func userAssigned(n *azureNode) {
	id := azureGroups + "Common/providers/Microsoft.ManagedIdentity/userAssignedIdentities/deployer"
	n.Metadata.Identity.ManagedIdentity, n.Metadata.Identity.AzureResource = id, *n.Machine.ID
	n.Machine.Identity = &armcompute.VirtualMachineIdentity{UserAssignedIdentities: map[string]*armcompute.UserAssignedIdentitiesValue{
		id: {PrincipalID: &n.Metadata.Identity.Principal},
	}}
}

// scaleSetInstance has the token be of a scale set, on an instance of it.
func scaleSetInstance(n *azureNode) {
	set := azureGroups + "Web-RG/providers/Microsoft.Compute/virtualMachineScaleSets/workers"
	instance := set + "/virtualMachines/3"
	n.Metadata.Identity.ManagedIdentity, n.Metadata.Identity.AzureResource = set, instance
	n.absent = true
	n.instances = append(n.instances, armcompute.VirtualMachineScaleSetVM{
		ID: &instance, Name: new("workers_3"), Identity: &armcompute.VirtualMachineIdentity{PrincipalID: &n.Metadata.Identity.Principal},
		Properties: &armcompute.VirtualMachineScaleSetVMProperties{},
	})
}
