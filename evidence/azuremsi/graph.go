package azuremsi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/compute/armcompute/v8"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/network/armnetwork/v9"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/resourcegraph/armresourcegraph"

	"github.com/spire-gatehouse/gatehouse/evidence/batch"
)

var (
	// errNoGraph says that Resource Graph is not asked, for now.
	errNoGraph = errors.New("no query is sent to Resource Graph")

	// errRefused says that it gives no answers at all.
	errRefused = errors.New("refused")
)

// queryGraph asks Resource Graph, in the credential's quota, and returns the rows.
// Only checked values may be in a query, which has no parameters.
func (m resourceManager) queryGraph(ctx context.Context, tenant, subscription, query string) ([]map[string]any, error) {
	credential, err := m.credentials.of(ctx, tenant)
	if err != nil {
		return nil, err
	}
	client, err := armresourcegraph.NewClient(credential, m.options)
	if err != nil {
		return nil, err
	}
	quota := m.quotas.of(tenant)
	if err := quota.wait(ctx); err != nil {
		return nil, err
	}
	var response *http.Response
	answer, err := client.Resources(policy.WithCaptureResponse(ctx, &response), graphRequest(subscription, query), nil)
	quota.update(response)
	if refusesGraph(err) {
		return nil, fmt.Errorf("%w: %w", errRefused, short(err))
	} else if err != nil {
		return nil, short(err)
	}
	return rowsOf(answer.QueryResponse)
}

func graphRequest(subscription, query string) armresourcegraph.QueryRequest {
	format, top := armresourcegraph.ResultFormatObjectArray, int32(graphRows)
	request := armresourcegraph.QueryRequest{
		Query:   &query,
		Options: &armresourcegraph.QueryRequestOptions{ResultFormat: &format, Top: &top},
	}
	if subscription != "" {
		request.Subscriptions = []*string{&subscription}
	}
	return request
}

// rowsOf returns the rows of an answer that has all of them.
func rowsOf(answer armresourcegraph.QueryResponse) ([]map[string]any, error) {
	data, ok := answer.Data.([]any)
	if len(data) > graphRows || value(answer.ResultTruncated) == armresourcegraph.ResultTruncatedTrue || value(answer.SkipToken) != "" {
		return nil, fmt.Errorf("answered more than %d rows", graphRows)
	}
	if !ok {
		return nil, fmt.Errorf("answered %T, not rows", answer.Data)
	}
	rows := make([]map[string]any, 0, len(data))
	for _, row := range data {
		columns, _ := row.(map[string]any)
		rows = append(rows, columns)
	}
	return rows, nil
}

// graphByID reads resources of a type. A row that isn't understood is left out, as
// are those that are there twice: Resource Manager is asked for them then.
func graphByID[R, T any](m resourceManager, kind string, convert func(ResourceID, R) (T, error)) func(context.Context, batchGroup, []ResourceID) (map[string]T, error) {
	return func(ctx context.Context, group batchGroup, ids []ResourceID) (map[string]T, error) {
		asked := map[string]bool{}
		var quoted []string
		for _, id := range ids {
			if id.Provider+"/"+id.Type == kind && !asked[id.ID] {
				asked[id.ID] = true
				quoted = append(quoted, "'"+id.ID+"'")
			}
		}
		quota := m.quotas.of(group.tenant)
		if len(quoted) == 0 || m.withoutGraph || quota.isPaused() {
			return nil, errNoGraph
		}
		ctx, cancel := context.WithTimeout(ctx, graphTimeout)
		defer cancel()
		rows, err := m.queryGraph(ctx, group.tenant, group.subscription, "resources | where type =~ '"+kind+"'"+
			" | where id in~ ("+strings.Join(quoted, ", ")+")"+
			" | project id, name, location, zones, tags, identity, properties")
		if err != nil {
			if errors.Is(err, errRefused) {
				quota.pause()
			}
			return nil, err
		}
		answer, twice := map[string]T{}, map[string]bool{}
		for _, row := range rows {
			text, _ := row["id"].(string)
			id, err := parseResourceID(text)
			if err != nil || !asked[id.ID] {
				return nil, fmt.Errorf("answered %.256q, which was not asked for", text)
			}
			if value, err := convertRow(id, row, convert); err == nil && !twice[id.ID] {
				answer[id.ID] = value
			}
			if twice[id.ID] {
				delete(answer, id.ID)
			}
			twice[id.ID] = true
		}
		return answer, nil
	}
}

// convertRow reads a row as Resource Manager's own answer, whose form it has.
func convertRow[R, T any](id ResourceID, row map[string]any, convert func(ResourceID, R) (T, error)) (T, error) {
	var read R
	data, err := json.Marshal(row)
	if err == nil {
		err = json.Unmarshal(data, &read)
	}
	if err != nil {
		var none T
		return none, err
	}
	return convert(id, read)
}

func (m resourceManager) graphMachines() func(context.Context, batchGroup, []ResourceID) (map[string]machine, error) {
	return graphByID(m, "microsoft.compute/virtualmachines", func(id ResourceID, vm armcompute.VirtualMachine) (machine, error) {
		return machineOfVM(id, vm)
	})
}

func (m resourceManager) graphInterfaces() func(context.Context, batchGroup, []ResourceID) (map[string]NetworkInterface, error) {
	return graphByID(m, "microsoft.network/networkinterfaces", func(id ResourceID, nic armnetwork.Interface) (NetworkInterface, error) {
		return interfaceOf(id, nic)
	})
}

// findMachines finds the virtual machines that principals are the system-assigned
// identities of. It implements batch.Load.
func (m resourceManager) findMachines(ctx context.Context, group batchGroup, objectIDs []string) (map[string]batch.Result[[]ResourceID], error) {
	quoted := make([]string, 0, len(objectIDs))
	results := make(map[string]batch.Result[[]ResourceID], len(objectIDs))
	for _, id := range objectIDs {
		results[id] = batch.Result[[]ResourceID]{}
		quoted = append(quoted, "'"+id+"'")
	}
	rows, err := m.queryGraph(ctx, group.tenant, group.subscription, "resources | where type =~ 'microsoft.compute/virtualmachines'"+
		" | where identity.principalId in~ ("+strings.Join(quoted, ", ")+")"+
		" | project id, principalId = tostring(identity.principalId)")
	if err != nil {
		return nil, err
	}
	for _, row := range rows {
		text, _ := row["id"].(string)
		principal, _ := row["principalId"].(string)
		id, err := parseResourceID(text)
		if err == nil && !id.isVirtualMachine() {
			err = fmt.Errorf("answered %s, not a virtual machine", id.ID)
		}
		result, asked := results[lower(principal)]
		if err == nil && !asked {
			err = fmt.Errorf("answered the machine of %.64q, who was not asked for", principal)
		}
		if err != nil {
			return nil, err
		}
		result.Value = append(result.Value, id)
		results[lower(principal)] = result
	}
	return results, nil
}

// refusesGraph says whether an answer means that Resource Graph is not to be had:
// a private cloud may have none.
func refusesGraph(err error) bool {
	var response *azcore.ResponseError
	return errors.As(err, &response) && response.StatusCode >= 400 && response.StatusCode < 500 && response.StatusCode != http.StatusTooManyRequests
}
