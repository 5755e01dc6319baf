package e2e_test

import (
	"fmt"
	"net/http"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/spire-gatehouse/gatehouse/e2e/spire"
	"github.com/spire-gatehouse/gatehouse/e2e/stage"
	"github.com/spire-gatehouse/gatehouse/internal/testauthority/entra"
)

// azureDifferentials are configurations, each with the machines that are judged
// under it.
func azureDifferentials() []azureDifferential {
	const (
		custom   = "api://gatehouse"
		template = "\nagent_path_template = \"/{{ .PluginName }}/{{ .PrincipalID }}/of/{{ .TenantID | upper }}\""
	)
	good := azureCase{name: "good", want: accepts}
	elsewhere := azureCase{name: "machine of another subscription", vm: func(n *azureNode) {
		const other = "11111111-2222-3333-4444-555555555555"
		for _, id := range []**string{&n.Machine.ID, &n.NIC.ID, &n.Machine.Properties.NetworkProfile.NetworkInterfaces[0].ID} {
			*id = new(strings.Replace(**id, azureSubscription, other, 1))
		}
		n.Metadata.Identity.ManagedIdentity = *n.Machine.ID
	}, want: denies, says: "not found"}
	bareElsewhere := elsewhere
	bareElsewhere.differs, bareElsewhere.gatehouse = "a machine of another subscription than the server's, without `subscription_id`", accepts
	elsewhere.reason = "subscription"
	upper := azureCase{name: "tenant in upper case", want: denies, says: "not authorized", differs: "a tenant ID in upper case in the configuration", gatehouse: accepts}
	return []azureDifferential{
		{name: "application", data: azureSecret, cases: slices.Concat([]azureCase{elsewhere}, azureTokenCases(), azureMachineCases())},
		{name: "managed identity", data: azureBare, inAzure: true, cases: []azureCase{good, bareElsewhere}},
		{name: "agent path template", data: azureSecret + template, cases: []azureCase{good}},
		{name: "upper case", data: strings.Replace(azureSecret, azureTenant, strings.ToUpper(azureTenant), 1), cases: []azureCase{upper}},
		{
			name: "application of one's own", audience: custom,
			data:  strings.Replace(azureSecret, "app_id", "resource_id = \""+custom+"\"\napp_id", 1),
			cases: []azureCase{good},
		},
	}
}

type azureDifferential struct {
	name, data string
	audience   string // of the tokens; Resource Manager if empty
	inAzure    bool   // the server is
	cases      []azureCase
}

// TestAzureDifferential puts SPIRE's own azure_msi and Gatehouse before the same
// machines. Each is in a real server: the built-in's addresses are hard-wired, and
// its Azure SDK reads proxies and certificates once for each process, from the
// environment.
func TestAzureDifferential(t *testing.T) {
	t.Parallel()
	for _, group := range azureDifferentials() {
		t.Run(group.name, func(t *testing.T) {
			cloud, keys := newAzure(t), newAzureKeys()
			cloud.Rotate(cloud.Key(), keys.twins[0], keys.twins[1], keys.consumer)
			var metadata http.Handler
			if group.inAzure {
				metadata = cloud.VM("spire-server", azureServerPrincipal).Metadata
			}
			builtIn := startAzureServer(t, cloud, stage.AzureBuiltIn(group.data), metadata)
			gatehouse := startAzureServer(t, cloud, azureBlock(t, group.data), metadata)
			for i, tc := range group.cases {
				t.Run(tc.name, func(t *testing.T) {
					node := &azureNode{VM: cloud.VM(fmt.Sprintf("Node-%d", i), azureNumbered(i)), keys: keys}
					payload := azurePayload(t, node.enter(cloud, tc, group.audience))
					if tc.payload != nil {
						payload = []byte(tc.payload(string(payload)))
					}
					theirs, theirError := builtIn.judge(t, payload, node.replay)
					ours, ourError := gatehouse.judge(t, payload, node.replay)
					tc.compare(t, theirs, ours, theirError, gatehouse.reason(t, ourError))
					if ours.Verdict == accepts && theirs.Verdict != accepts && group.audience == "" {
						tc.compareAlone(t, ours.Agent, node)
					}
				})
			}
		})
	}
}

// compare says what is not as the case wants it.
func (tc azureCase) compare(t *testing.T, theirs, ours azureOutcome, theirError error, reason string) {
	t.Helper()
	if theirs.Verdict != tc.want || !strings.Contains(fmt.Sprint(theirError), tc.says) {
		t.Errorf("the built-in %s, want that it %s and says %q: %v", theirs.Verdict, tc.want, tc.says, theirError)
	}
	want := tc.want
	if tc.differs != "" {
		want = tc.gatehouse
	}
	if ours.Verdict != want || !strings.Contains(reason, tc.reason) {
		t.Errorf("gatehouse %s, want that it %s and names %q: %s", ours.Verdict, want, tc.reason, reason)
	}
	switch same := reflect.DeepEqual(ours, theirs); {
	case same && tc.differs != "":
		t.Errorf("they don't differ: both %+v", ours)
	case !same && tc.differs == "":
		t.Errorf("built-in  %+v, %v\ngatehouse %+v, %s", theirs, theirError, ours, reason)
	}
}

// compareAlone says what is not as it should be of an agent that the built-in does
// not let in.
func (tc azureCase) compareAlone(t *testing.T, got spire.Agent, node *azureNode) {
	t.Helper()
	name, identity := node.Metadata.Name, node.Metadata.Identity
	subscription := strings.Split(identity.ManagedIdentity, "/")[2]
	selectors := []string{
		"network-security-group:Net-RG:Web-NSG", "subscription-id:" + subscription,
		"virtual-network-subnet:Net-RG:Main:front", "virtual-network:Net-RG:Main", "vm-name:Web-RG:" + name,
	}
	for _, change := range tc.selectors {
		if gone, ok := strings.CutPrefix(change, "-"); ok {
			selectors = slices.DeleteFunc(selectors, func(s string) bool { return strings.HasPrefix(s, gone) })
		} else {
			selectors = append(selectors, change)
		}
	}
	want := spire.Agent{ID: "spiffe://example.org/spire/agent/azure_msi/" + identity.Tenant + "/" + identity.Principal, AttestationType: "azure_msi"}
	for _, selector := range selectors {
		want.Selectors = append(want.Selectors, "azure_msi:"+selector)
	}
	slices.Sort(want.Selectors)
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

// enter puts the machine into the cloud, and returns its token.
func (n *azureNode) enter(cloud *stage.Azure, tc azureCase, audience string) entra.Token {
	if tc.vm != nil {
		tc.vm(n)
	}
	if !n.absent {
		cloud.Put(n.VM)
	}
	for _, nic := range n.interfaces {
		cloud.Manager.PutInterface(nic)
	}
	for _, instance := range n.instances {
		cloud.Manager.PutInstance(instance)
	}
	identity := n.Metadata.Identity
	identity.Audience = audience
	if audience != "" { // then the claims that name a machine are not there
		identity.ManagedIdentity, identity.AzureResource = "", ""
	}
	token := cloud.Token(identity)
	if n.Metadata.Change != nil {
		token = n.Metadata.Change(token)
	}
	if tc.token != nil {
		token = tc.token(token)
	}
	return token
}

// azureOutcome is what is compared: the agent as SPIRE has stored it.
type azureOutcome struct {
	Verdict verdict
	Agent   spire.Agent
}

// judge lets a server judge a payload.
func (s azureScene) judge(t *testing.T, payload []byte, replay bool) (azureOutcome, error) {
	t.Helper()
	svid, err := s.server.Attest(t.Context(), "azure_msi", payload)
	if replay {
		if err != nil {
			t.Fatalf("the first time: %v", err)
		}
		svid, err = s.server.Attest(t.Context(), "azure_msi", payload)
	}
	if err != nil {
		if status.Code(err) == codes.Unknown || strings.Contains(err.Error(), "runtime error") {
			return azureOutcome{Verdict: panics}, err
		}
		return azureOutcome{Verdict: denies}, err
	}
	for _, agent := range s.agents(t) {
		if agent.ID == svid.ID {
			return azureOutcome{Verdict: accepts, Agent: agent}, nil
		}
	}
	t.Fatalf("%s is not among the agents", svid.ID)
	return azureOutcome{}, nil
}

// reason is what Gatehouse logged about a refusal.
func (s azureScene) reason(t *testing.T, err error) string {
	t.Helper()
	if err == nil {
		return ""
	}
	entry := s.refusal(t, status.Convert(err).Message())
	return "rules=" + entry.Field("rules") + " " + entry.Field("reason")
}

// TestAzureDifferencesAreDocumented finds the row of each difference.
func TestAzureDifferencesAreDocumented(t *testing.T) {
	text, err := os.ReadFile("../docs/differences.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, ok := strings.Cut(string(text), "\n# azure_msi\n")
	if !ok {
		t.Fatal("docs/differences.md has no section azure_msi")
	}
	documented := func(name, row string) {
		if row != "" && strings.Count(section, "\n| "+row) != 1 {
			t.Errorf("%s: not one row of docs/differences.md begins with %q", name, row)
		}
	}
	for _, group := range azureDifferentials() {
		for _, tc := range group.cases {
			documented(tc.name, tc.differs)
		}
	}
	for _, tc := range azureConfigurations() {
		documented(tc.name, tc.differs)
	}
}
