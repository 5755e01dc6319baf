package azuremsi_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/resourcegraph/armresourcegraph"

	"github.com/spire-gatehouse/gatehouse/evidence"
	"github.com/spire-gatehouse/gatehouse/evidence/azuremsi"
	"github.com/spire-gatehouse/gatehouse/internal/testauthority/entra"
)

// TestGatherSearches: tokens for an audience of one's own name no machine.
func TestGatherSearches(t *testing.T) {
	row := func(id string) any { return map[string]any{"id": id, "principalId": strings.ToUpper(principalID)} }
	anonymous := entra.Machine{Tenant: tenantID, Principal: principalID, Audience: "api://gatehouse"}
	for name, test := range map[string]struct {
		rows   any
		err    error
		want   string // prefix of the error, "" for known
		status evidence.Status
	}{
		"found":              {[]any{row(strings.ToLower(vmID))}, nil, "", evidence.StatusKnown},
		"none":               {[]any{}, nil, "absent: no virtual machine holds the identity " + principalID, evidence.StatusAbsent},
		"two":                {[]any{row(vmID), row(vmID + "0")}, nil, "absent: several virtual machines hold the identity " + principalID, evidence.StatusAbsent},
		"something else":     {[]any{row(scaleSetID)}, nil, "find machine of principal " + principalID + ": answered " + strings.ToLower(scaleSetID) + ", not a virtual machine", evidence.StatusError},
		"no rows":            {nil, nil, "find machine of principal " + principalID + ": answered <nil>, not rows", evidence.StatusError},
		"a table":            {map[string]any{"columns": []any{}}, nil, "find machine of principal " + principalID + ": answered map[string]interface {}, not rows", evidence.StatusError},
		"rows of nothing":    {[]any{nil}, nil, `find machine of principal ` + principalID + `: resource ID "": not of the form`, evidence.StatusError},
		"another's machine":  {[]any{map[string]any{"id": vmID, "principalId": otherTenant}}, nil, "find machine of principal " + principalID + ": answered the machine of \"" + otherTenant + "\", who was not asked for", evidence.StatusError},
		"ID is a number":     {[]any{map[string]any{"id": 7}}, nil, `find machine of principal ` + principalID + `: resource ID "": not of the form`, evidence.StatusError},
		"its own mistake":    {nil, errors.New("out of order"), "find machine of principal " + principalID + ": out of order", evidence.StatusError},
		"one without rights": {[]any{row(vmID + "0")}, nil, "read " + strings.ToLower(vmID) + "0: not found (ResourceNotFound)", evidence.StatusAbsent},
	} {
		t.Run(name, func(t *testing.T) {
			a := usual(t)
			var queries []armresourcegraph.QueryRequest
			a.graph = func(q armresourcegraph.QueryRequest) (any, error) {
				queries = append(queries, q)
				return test.rows, test.err
			}
			authority, c := collectorFor(t, a, func(o *azuremsi.Options) {
				o.Tenants = map[string]azuremsi.TenantCredentials{strings.ToUpper(tenantID): {SubscriptionID: strings.ToUpper(subscription)}}
			})
			got := gather(t, authority, c, authority.Issue(keys().a, anonymous, now))["virtual_machine"]
			if got.Status != test.status || test.want != "" && !strings.HasPrefix(got.Err.Error(), test.want) {
				t.Errorf("\n got %+v\nwant %s", got, test.want)
			}
			wantQuery := "resources | where type =~ 'microsoft.compute/virtualmachines' | where identity.principalId in~ ('" + principalID + "') | project id, principalId = tostring(identity.principalId)"
			if len(queries) == 0 || *queries[0].Query != wantQuery || len(queries[0].Subscriptions) != 1 || *queries[0].Subscriptions[0] != subscription {
				t.Errorf("queries %s", toJSON(t, queries))
			}
		})
	}
}

// TestGatherQueryInjection: nothing but a GUID gets into a query.
func TestGatherQueryInjection(t *testing.T) {
	a := usual(t)
	authority, c := collectorFor(t, a)
	token := authority.Issue(keys().a, entra.Machine{Tenant: tenantID, Principal: principalID}, now).Without("oid").With("sub", "x_or_1")
	got := gather(t, authority, c, token)["virtual_machine"]
	if got.Status != evidence.StatusError || got.Err.Error() != `principal "x_or_1" is not a GUID` || len(a.asked()) != 0 {
		t.Errorf("got %+v", got)
	}
}
