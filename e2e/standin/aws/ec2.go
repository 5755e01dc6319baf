package aws

import (
	"context"
	"encoding/base64"
	"net/http"
	"regexp"
	"strconv"
	"strings"
)

// ec2 is the EC2 API.
func ec2() *service {
	return &service{
		name:      "ec2",
		protocol:  query{version: "2016-11-15", ec2: true},
		authError: ec2AuthError,
		denied: func(caller, action string) *Error {
			return &Error{Status: http.StatusForbidden, Code: "UnauthorizedOperation",
				Message: "You are not authorized to perform this operation. User: " + caller + " is not authorized to perform: " + action}
		},
		actions: map[string]action{"DescribeInstances": describeInstances},
	}
}

// Bounds of DescribeInstances.
const (
	minResults     = 5
	maxResults     = 1000
	maxFilterItems = 200
)

func describeInstances(_ context.Context, world *World, req request) (any, *Error) {
	ids := req.params.list("InstanceId")
	filters, err := parseFilters(req.params)
	if err != nil {
		return nil, err
	}
	limit, start, err := parsePage(req.params, len(ids) > 0)
	if err != nil {
		return nil, err
	}
	dryRun := req.params.take("DryRun")
	if err := req.params.finish(); err != nil {
		return nil, err
	}
	if dryRun == "true" {
		return nil, &Error{Status: http.StatusPreconditionFailed, Code: "DryRunOperation",
			Message: "Request would have succeeded, but DryRun flag is set."}
	}
	if err := checkIDs(ids); err != nil {
		return nil, err
	}
	all, missing := world.instances(req.caller.account, req.region, ids)
	if err := notFound(missing); err != nil {
		return nil, err
	}
	response := describeInstancesResponse{RequestID: req.id, Reservations: []reservation{}}
	for i, instance := range all {
		if !filters.match(instance) || i < start {
			continue
		}
		if len(response.Reservations) == limit {
			response.NextToken = pageToken(i)
			break
		}
		response.Reservations = append(response.Reservations, reservation{
			ID: "r-" + strings.TrimPrefix(instance.ID, "i-"), OwnerID: req.caller.account, Instances: []Instance{instance},
		})
	}
	return response, nil
}

var instanceID = regexp.MustCompile(`^i-([0-9a-f]{8}|[0-9a-f]{17})$`)

// checkIDs refuses the whole call for one bad ID, as EC2 does.
func checkIDs(ids []string) *Error {
	for _, id := range ids {
		if !instanceID.MatchString(id) {
			return badRequest("InvalidInstanceID.Malformed", `Invalid id: "`+id+`"`)
		}
	}
	return nil
}

// notFound refuses the whole call for one ID that isn't known, as EC2 does.
func notFound(missing []string) *Error {
	switch len(missing) {
	case 0:
		return nil
	case 1:
		return badRequest("InvalidInstanceID.NotFound", "The instance ID '"+missing[0]+"' does not exist")
	default:
		return badRequest("InvalidInstanceID.NotFound", "The instance IDs '"+strings.Join(missing, ", ")+"' do not exist")
	}
}

// parsePage reads MaxResults and NextToken: how many to answer at most, and the
// index to start at.
func parsePage(p params, withIDs bool) (limit, start int, err *Error) {
	limit = maxResults
	if text, ok := p["MaxResults"]; ok {
		p.take("MaxResults")
		n, numErr := strconv.Atoi(text)
		switch {
		case withIDs:
			return 0, 0, badRequest("InvalidParameterCombination", "The parameter instancesSet cannot be used with the parameter maxResults")
		case numErr != nil || n > maxResults:
			return 0, 0, badRequest("InvalidParameterValue", "Value ( "+text+" ) for parameter maxResults is invalid. Expecting a value less than or equal to 1000.")
		case n < minResults:
			return 0, 0, badRequest("InvalidParameterValue", "Value ( "+text+" ) for parameter maxResults is invalid. Expecting a value greater than 5.")
		}
		limit = n
	}
	if token := p.take("NextToken"); token != "" {
		text, decodeErr := base64.StdEncoding.DecodeString(token)
		n, numErr := strconv.Atoi(string(text))
		if decodeErr != nil || numErr != nil || n < 0 {
			return 0, 0, badRequest("InvalidParameterValue", "Unable to parse pagination token")
		}
		start = n
	}
	return limit, start, nil
}

func pageToken(index int) string {
	return base64.StdEncoding.EncodeToString([]byte(strconv.Itoa(index)))
}
