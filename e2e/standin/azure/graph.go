package azure

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/fake"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/resourcegraph/armresourcegraph"
)

// The queries that Resource Graph answers here, of all that its language has.
var (
	byPrincipal = regexp.MustCompile(`^resources \| where type =~ 'microsoft\.compute/virtualmachines'` +
		` \| where identity\.principalId in~ \(('[0-9a-f-]{36}'(?:, '[0-9a-f-]{36}')*)\)` +
		` \| project id, principalId = tostring\(identity\.principalId\)$`)
	byID = regexp.MustCompile(`^resources \| where type =~ '(microsoft\.compute/virtualmachines|microsoft\.network/networkinterfaces)'` +
		` \| where id in~ \(('[^'\\]+'(?:, '[^'\\]+')*)\)` +
		` \| project id, name, location, zones, tags, identity, properties$`)
)

// Bounds of Resource Graph:
// https://learn.microsoft.com/azure/governance/resource-graph/concepts/guidance-for-throttled-requests
const (
	graphQueries = 15 // in graphWindow, for each caller
	graphWindow  = 5 * time.Second
	graphPage    = 1000
	graphGroup   = 300 // what is recommended to ask for in one query
)

// window is a caller's quota.
type window struct {
	since time.Time
	used  int
}

// take counts a query, and says how many more there may be until when; false if
// this one is too many.
func (w *window) take(now time.Time) (left int, resets time.Duration, ok bool) {
	if now.Sub(w.since) >= graphWindow {
		*w = window{since: now}
	}
	resets = w.since.Add(graphWindow).Sub(now)
	if w.used >= graphQueries {
		return 0, resets, false
	}
	w.used++
	return graphQueries - w.used, resets, true
}

// quota writes what is left of a caller's queries into the answer's headers. It
// refuses the query if there is nothing.
func (m *Manager) quota(w http.ResponseWriter, caller string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.windows[caller] == nil {
		m.windows[caller] = &window{}
	}
	left, resets, ok := m.windows[caller].take(time.Now())
	seconds := int(resets/time.Second) + 1
	w.Header().Set("x-ms-user-quota-remaining", strconv.Itoa(left))
	w.Header().Set("x-ms-user-quota-resets-after", fmt.Sprintf("00:00:%02d", seconds))
	if !ok {
		w.Header().Set("Retry-After", strconv.Itoa(seconds))
	}
	return ok
}

// Hide has Resource Graph not know resources, by ID, which Resource Manager knows:
// it learns of new ones later.
func (m *Manager) Hide(ids ...string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, id := range ids {
		m.hidden[strings.ToLower(id)] = true
	}
}

// query answers Resource Graph's queries.
func (m *Manager) query(_ context.Context, request armresourcegraph.QueryRequest, _ *armresourcegraph.ClientResourcesOptions) (resp fake.Responder[armresourcegraph.ClientResourcesResponse], problem fake.ErrorResponder) {
	rows, err := m.rows(request)
	if err != nil {
		problem.SetResponseError(http.StatusBadRequest, err.Error())
		return resp, problem
	}
	count, truncated := int64(len(rows)), armresourcegraph.ResultTruncatedFalse
	resp.SetResponse(http.StatusOK, armresourcegraph.ClientResourcesResponse{QueryResponse: armresourcegraph.QueryResponse{
		Data: rows, Count: &count, TotalRecords: &count, ResultTruncated: &truncated,
	}}, nil)
	return resp, problem
}

// rows are what a query finds. Errors are codes of Resource Graph's.
func (m *Manager) rows(request armresourcegraph.QueryRequest) ([]any, error) {
	options := request.Options
	switch {
	case request.Query == nil || len(request.ManagementGroups) > 0 || len(request.Facets) > 0:
		return nil, fmt.Errorf("BadRequest")
	case options == nil || options.ResultFormat == nil || *options.ResultFormat != armresourcegraph.ResultFormatObjectArray,
		options.Skip != nil, options.SkipToken != nil, options.Top == nil, *options.Top > graphPage:
		return nil, fmt.Errorf("InvalidOptions")
	}
	subscriptions := map[string]bool{}
	for _, subscription := range request.Subscriptions {
		subscriptions[strings.ToLower(*subscription)] = true
	}
	in := func(id string) bool {
		return len(subscriptions) == 0 || subscriptions[strings.Split(id, "/")[2]]
	}
	if parts := byPrincipal.FindStringSubmatch(*request.Query); parts != nil {
		rows := []any{}
		for _, principal := range quoted(parts[1]) {
			for _, id := range m.holders("", principal) {
				if in(strings.ToLower(id)) {
					rows = append(rows, map[string]any{"id": id, "principalId": principal})
				}
			}
		}
		return rows, nil
	}
	parts := byID.FindStringSubmatch(*request.Query)
	if parts == nil {
		return nil, fmt.Errorf("InvalidQuery")
	}
	ids := quoted(parts[2])
	if len(ids) > graphGroup {
		return nil, fmt.Errorf("QueryTooLong")
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	rows := []any{}
	for _, id := range ids {
		id = strings.ToLower(id)
		var resource any
		var known bool
		if strings.HasPrefix(parts[1], "microsoft.compute/") {
			resource, known = m.machines[id], m.machines[id].ID != nil
		} else {
			resource, known = m.interfaces[id], m.interfaces[id].ID != nil && strings.Contains(id, "/providers/microsoft.network/")
		}
		if !known || !in(id) || m.hidden[id] {
			continue
		}
		row, err := graphRow(resource)
		if err != nil {
			return nil, err
		}
		rows = append(rows, row)
	}
	return rows, nil
}

// quoted is a list of texts in quotes.
func quoted(list string) []string { return strings.Split(strings.Trim(list, "'"), "', '") }

// graphRow has the columns of a resource, null where it has nothing.
func graphRow(resource any) (map[string]any, error) {
	data, err := json.Marshal(resource)
	if err != nil {
		return nil, err
	}
	var all map[string]any
	if err := json.Unmarshal(data, &all); err != nil {
		return nil, err
	}
	row := map[string]any{}
	for _, column := range []string{"id", "name", "location", "zones", "tags", "identity", "properties"} {
		row[column] = all[column]
	}
	// Its spelling is not Resource Manager's:
	// https://github.com/Azure/azure-rest-api-specs/issues/31379
	if id, ok := row["id"].(string); ok {
		row["id"] = respell(id, strings.ToLower)
	}
	return row, nil
}
