package aws

import (
	"context"
	"encoding/base64"
	"fmt"
	"net/http"
	"slices"
	"strconv"
)

// An Organization has accounts.
type Organization struct {
	// Management is the ID of the management account. It is listed if it is in
	// Accounts, as AWS lists it always.
	Management string

	// Delegated are the IDs of member accounts that may call the API too.
	Delegated []string

	Accounts []OrganizationAccount

	// EmptyPages puts a page without accounts before each page, as AWS may.
	EmptyPages bool
}

// OrganizationAccount is a member. AWS has begun to answer State and will cease
// to answer Status; what is empty here is left out.
type OrganizationAccount struct {
	ID            string
	State, Status string
}

// ActiveAccount is a member as it is answered while there are both fields.
func ActiveAccount(id string) OrganizationAccount {
	return OrganizationAccount{ID: id, State: "ACTIVE", Status: "ACTIVE"}
}

// PutOrganization adds an organization, or replaces that of its management
// account.
func (w *World) PutOrganization(organization Organization) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.organizations = slices.DeleteFunc(w.organizations, func(o Organization) bool { return o.Management == organization.Management })
	w.organizations = append(w.organizations, organization)
	w.account(organization.Management)
}

// organizationOf finds the organization of an account, and whether the account
// may list its members.
func (w *World) organizationOf(accountID string) (organization Organization, mayList, member bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, o := range w.organizations {
		if o.Management == accountID || slices.Contains(o.Delegated, accountID) {
			return o, true, true
		}
		if slices.ContainsFunc(o.Accounts, func(a OrganizationAccount) bool { return a.ID == accountID }) {
			return o, false, true
		}
	}
	return Organization{}, false, false
}

// organizations is AWS Organizations.
func organizations() *service {
	return &service{
		name:      "organizations",
		protocol:  json11{prefix: "AWSOrganizationsV20161128"},
		authError: jsonAuthError(http.StatusBadRequest),
		denied:    jsonDenied(http.StatusBadRequest),
		actions:   map[string]action{"ListAccounts": listAccounts},
	}
}

// accountsPerPage is the most that one page has, and the default.
const accountsPerPage = 20

type listAccountsResponse struct {
	Accounts  []accountJSON
	NextToken string `json:",omitempty"`
}

type accountJSON struct {
	Arn             string
	Email           string
	ID              string `json:"Id"`
	JoinedMethod    string
	JoinedTimestamp float64
	Name            string
	State           string `json:",omitempty"`
	Status          string `json:",omitempty"`
}

func listAccounts(_ context.Context, world *World, req request) (any, *Error) {
	size, err := organizationPageSize(req.params)
	if err != nil {
		return nil, err
	}
	start, empty, err := parseAccountsToken(req.params.take("NextToken"))
	if err != nil {
		return nil, err
	}
	if err := req.params.finish(); err != nil {
		return nil, err
	}
	organization, mayList, member := world.organizationOf(req.caller.account)
	switch {
	case !member:
		return nil, badRequest("AWSOrganizationsNotInUseException", "Your account is not a member of an organization.")
	case !mayList:
		return nil, badRequest("AccessDeniedException", "You don't have permissions to access this resource.")
	}
	response := listAccountsResponse{Accounts: []accountJSON{}}
	if organization.EmptyPages && !empty {
		response.NextToken = accountsToken(start, true)
		return response, nil
	}
	all := organization.Accounts
	page := all[min(start, len(all)):min(start+size, len(all))]
	for _, a := range page {
		response.Accounts = append(response.Accounts, accountJSON{
			Arn:   arn(req.region, "organizations", organization.Management, "account/o-exampleorgid/"+a.ID),
			Email: a.ID + "@example.org", ID: a.ID, JoinedMethod: "CREATED", JoinedTimestamp: 1.7e9, Name: "account " + a.ID,
			State: a.State, Status: a.Status,
		})
	}
	if start+size < len(all) {
		response.NextToken = accountsToken(start+size, false)
	}
	return response, nil
}

func organizationPageSize(p params) (int, *Error) {
	text := p.take("MaxResults")
	if text == "" {
		return accountsPerPage, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > accountsPerPage {
		return 0, badRequest("InvalidInputException", "You specified an invalid value.")
	}
	return n, nil
}

// accountsToken names the first account of the next page, and whether the empty page
// before it has been answered.
func accountsToken(start int, empty bool) string {
	return base64.StdEncoding.EncodeToString([]byte(strconv.Itoa(start) + " " + strconv.FormatBool(empty)))
}

func parseAccountsToken(token string) (start int, empty bool, err *Error) {
	if token == "" {
		return 0, false, nil
	}
	text, decodeErr := base64.StdEncoding.DecodeString(token)
	if n, scanErr := fmt.Sscan(string(text), &start, &empty); decodeErr != nil || scanErr != nil || n != 2 || start < 0 {
		return 0, false, badRequest("InvalidInputException", "The provided pagination token is invalid.")
	}
	return start, empty, nil
}
