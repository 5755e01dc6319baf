package aws

import (
	"context"
	"encoding/base64"
	"encoding/xml"
	"fmt"
	"slices"
	"strconv"
)

// A ScalingGroup is an Auto Scaling group.
type ScalingGroup struct {
	Name string

	// Instances are the IDs of those in it. One of those may be empty: then the
	// answer has an instance without an ID.
	Instances []string
}

// PutScalingGroup adds or replaces an Auto Scaling group.
func (w *World) PutScalingGroup(accountID, region string, group ScalingGroup) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.regional(accountID, region).groups[group.Name] = group
}

// scalingGroups lists an account's groups of a region by name.
func (w *World) scalingGroups(accountID, region string) []ScalingGroup {
	w.mu.Lock()
	defer w.mu.Unlock()
	return sortedValues(w.regional(accountID, region).groups)
}

// autoscaling is EC2 Auto Scaling.
func autoscaling() *service {
	return &service{
		name:      "autoscaling",
		protocol:  query{version: "2011-01-01", namespace: "http://autoscaling.amazonaws.com/doc/2011-01-01/"},
		authError: commonAuthError,
		denied: func(caller, action string) *Error {
			return accessDenied(caller, action, "*")
		},
		actions: map[string]action{"DescribeAutoScalingGroups": describeAutoScalingGroups},
	}
}

// Bounds of DescribeAutoScalingGroups: names may not outnumber the records.
const (
	defaultRecords = 50
	maxRecords     = 100
)

type describeGroupsResponse struct {
	XMLName   xml.Name    `xml:"http://autoscaling.amazonaws.com/doc/2011-01-01/ DescribeAutoScalingGroupsResponse"`
	Groups    []groupXML  `xml:"DescribeAutoScalingGroupsResult>AutoScalingGroups>member"`
	NextToken string      `xml:"DescribeAutoScalingGroupsResult>NextToken,omitempty"`
	ID        requestMeta `xml:"ResponseMetadata"`
}

type groupXML struct {
	Name      string             `xml:"AutoScalingGroupName"`
	ARN       string             `xml:"AutoScalingGroupARN"`
	Created   string             `xml:"CreatedTime"`
	Instances []groupInstanceXML `xml:"Instances>member"`
}

type groupInstanceXML struct {
	ID        string `xml:"InstanceId,omitempty"`
	Zone      string `xml:"AvailabilityZone"`
	Lifecycle string `xml:"LifecycleState"`
	Health    string `xml:"HealthStatus"`
	Protected bool   `xml:"ProtectedFromScaleIn"`
}

func describeAutoScalingGroups(_ context.Context, world *World, req request) (any, *Error) {
	names := req.params.list("AutoScalingGroupNames.member")
	records, token := req.params.take("MaxRecords"), req.params.take("NextToken")
	if err := req.params.finish(); err != nil {
		return nil, err
	}
	limit, start := defaultRecords, 0
	if records != "" {
		n, err := strconv.Atoi(records)
		if err != nil || n < 1 || n > maxRecords {
			return nil, badRequest("ValidationError", "1 validation error detected: Value '"+records+"' at 'maxRecords' failed to satisfy constraint: Member must have value between 1 and 100")
		}
		limit = n
	}
	if len(names) > limit {
		return nil, badRequest("ValidationError", fmt.Sprintf("The number of group names must not exceed %d", limit))
	}
	if token != "" {
		text, decodeErr := base64.StdEncoding.DecodeString(token)
		n, numErr := strconv.Atoi(string(text))
		if decodeErr != nil || numErr != nil || n < 0 {
			return nil, badRequest("InvalidNextToken", "The NextToken value is not valid.")
		}
		start = n
	}
	response := describeGroupsResponse{ID: requestMeta{req.id}}
	for i, group := range world.scalingGroups(req.caller.account, req.region) {
		if i < start || len(names) > 0 && !slices.Contains(names, group.Name) {
			continue
		}
		if len(response.Groups) == limit {
			response.NextToken = pageToken(i)
			break
		}
		answer := groupXML{Name: group.Name, Created: created,
			ARN: regionalARN(req.region, "autoscaling", req.caller.account, "autoScalingGroup:0:autoScalingGroupName/"+group.Name)}
		for _, id := range group.Instances {
			answer.Instances = append(answer.Instances, groupInstanceXML{ID: id, Zone: req.region + "a", Lifecycle: "InService", Health: "Healthy"})
		}
		response.Groups = append(response.Groups, answer)
	}
	return response, nil
}
