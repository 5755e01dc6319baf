package aws

import (
	"context"
	"encoding/base64"
	"net/http"
	"strconv"
)

// A Cluster is an EKS cluster with its managed node groups.
type Cluster struct {
	Name       string
	Nodegroups []Nodegroup
}

// Nodegroup is a managed node group.
type Nodegroup struct {
	Name string

	// ScalingGroups are the names of its Auto Scaling groups. One of those may
	// be empty: then the answer has a group without a name.
	ScalingGroups []string

	// NoResources leaves the resources out, as while the group is being created.
	NoResources bool
}

// PutCluster adds or replaces a cluster.
func (w *World) PutCluster(accountID, region string, cluster Cluster) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.regional(accountID, region).clusters[cluster.Name] = cluster
}

// cluster finds a cluster.
func (w *World) cluster(accountID, region, name string) (Cluster, *Error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	cluster, ok := w.regional(accountID, region).clusters[name]
	if !ok {
		return Cluster{}, &Error{Status: http.StatusNotFound, Code: "ResourceNotFoundException", Message: "No cluster found for name: " + name + "."}
	}
	return cluster, nil
}

// eks is the Elastic Kubernetes Service.
func eks() *service {
	return &service{
		name: "eks",
		protocol: restJSON{[]route{
			{http.MethodGet, "/clusters/{clusterName}/node-groups", "ListNodegroups"},
			{http.MethodGet, "/clusters/{clusterName}/node-groups/{nodegroupName}", "DescribeNodegroup"},
		}},
		authError: jsonAuthError(http.StatusForbidden),
		denied:    jsonDenied(http.StatusForbidden),
		actions:   map[string]action{"ListNodegroups": listNodegroups, "DescribeNodegroup": describeNodegroup},
	}
}

// nodegroupsPerPage is the most that one page has, and the default.
const nodegroupsPerPage = 100

type listNodegroupsResponse struct {
	Nodegroups []string `json:"nodegroups"`
	NextToken  *string  `json:"nextToken"`
}

func listNodegroups(_ context.Context, world *World, req request) (any, *Error) {
	name, size, token := req.params.take("clusterName"), req.params.take("maxResults"), req.params.take("nextToken")
	if err := req.params.finish(); err != nil {
		return nil, err
	}
	limit, start := nodegroupsPerPage, 0
	if size != "" {
		n, err := strconv.Atoi(size)
		if err != nil || n < 1 || n > nodegroupsPerPage {
			return nil, badRequest("InvalidParameterException", "maxResults needs to be 100 or less, but not less than 1.")
		}
		limit = n
	}
	if token != "" {
		text, decodeErr := base64.StdEncoding.DecodeString(token)
		n, numErr := strconv.Atoi(string(text))
		if decodeErr != nil || numErr != nil || n < 0 {
			return nil, badRequest("InvalidParameterException", "Invalid nextToken")
		}
		start = n
	}
	cluster, err := world.cluster(req.caller.account, req.region, name)
	if err != nil {
		return nil, err
	}
	response := listNodegroupsResponse{Nodegroups: []string{}}
	for i := start; i < len(cluster.Nodegroups); i++ {
		if i == start+limit {
			response.NextToken = new(pageToken(i))
			break
		}
		response.Nodegroups = append(response.Nodegroups, cluster.Nodegroups[i].Name)
	}
	return response, nil
}

type describeNodegroupResponse struct {
	Nodegroup nodegroupJSON `json:"nodegroup"`
}

type nodegroupJSON struct {
	ClusterName string         `json:"clusterName"`
	Name        string         `json:"nodegroupName"`
	ARN         string         `json:"nodegroupArn"`
	Status      string         `json:"status"`
	Resources   *resourcesJSON `json:"resources"`
}

type resourcesJSON struct {
	Groups []groupJSON `json:"autoScalingGroups"`
}

type groupJSON struct {
	Name string `json:"name,omitempty"`
}

func describeNodegroup(_ context.Context, world *World, req request) (any, *Error) {
	clusterName, name := req.params.take("clusterName"), req.params.take("nodegroupName")
	if err := req.params.finish(); err != nil {
		return nil, err
	}
	cluster, err := world.cluster(req.caller.account, req.region, clusterName)
	if err != nil {
		return nil, err
	}
	for _, group := range cluster.Nodegroups {
		if group.Name != name {
			continue
		}
		answer := nodegroupJSON{ClusterName: clusterName, Name: name, Status: "CREATING",
			ARN: regionalARN(req.region, "eks", req.caller.account, "nodegroup/"+clusterName+"/"+name+"/0")}
		if !group.NoResources {
			answer.Status, answer.Resources = "ACTIVE", &resourcesJSON{Groups: []groupJSON{}}
			for _, scaling := range group.ScalingGroups {
				answer.Resources.Groups = append(answer.Resources.Groups, groupJSON{scaling})
			}
		}
		return describeNodegroupResponse{answer}, nil
	}
	return nil, &Error{Status: http.StatusNotFound, Code: "ResourceNotFoundException", Message: "No node group found for name: " + name + "."}
}
