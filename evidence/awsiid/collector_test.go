package awsiid_test

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/eks"

	"github.com/spire-gatehouse/gatehouse/evidence"
	"github.com/spire-gatehouse/gatehouse/evidence/awsiid"
)

func TestNewRefusesOptions(t *testing.T) {
	organization := func(change func(*awsiid.OrganizationOptions)) awsiid.Options {
		changed := fromAPI
		change(&changed)
		return awsiid.Options{Organization: &changed}
	}
	for name, tc := range map[string]struct {
		options awsiid.Options
		want    string // empty: taken
	}{
		"organization":         {organization(func(*awsiid.OrganizationOptions) {}), ""},
		"file":                 {awsiid.Options{Organization: &awsiid.OrganizationOptions{AccountListFile: "f", TTL: time.Minute}}, ""},
		"file and account":     {organization(func(o *awsiid.OrganizationOptions) { o.AccountListFile, o.Role = "f", "" }), "organization: accounts come from a file or from Organizations: both are given"},
		"file and role":        {organization(func(o *awsiid.OrganizationOptions) { o.AccountListFile, o.ManagementAccountID = "f", "" }), "organization: accounts come from a file or from Organizations: both are given"},
		"no management":        {organization(func(o *awsiid.OrganizationOptions) { o.ManagementAccountID = "" }), `organization: management account "" is not 12 digits`},
		"no management region": {organization(func(o *awsiid.OrganizationOptions) { o.Region = "" }), `organization: "" is not a region`},
		"no management role":   {organization(func(o *awsiid.OrganizationOptions) { o.Role = "" }), `organization: "" is not a role's name`},
		"no TTL":               {organization(func(o *awsiid.OrganizationOptions) { o.TTL = 0 }), "organization: cache: Lifetime, Recheck, Retry and LoadTimeout must be positive: "},
		"TTL under a recheck":  {organization(func(o *awsiid.OrganizationOptions) { o.TTL = 9 * time.Second }), "organization: cache: Retry <= Recheck <= Lifetime <= Stale does not hold: "},
		"role with a path":     {awsiid.Options{AssumeRole: "a/b/role"}, ""},
		"role an odd text":     {awsiid.Options{AssumeRole: "a role"}, `"a role" is not a role's name`},
		"role an ARN":          {awsiid.Options{AssumeRole: "arn:aws:iam::123456789012:role/spire"}, `"arn:aws:iam::123456789012:role/spire" is not a role's name`},
		"many clusters":        {awsiid.Options{EKSClusters: numbered(1001)}, "1001 EKS clusters, more than 1000"},
		"clusters, all twice":  {awsiid.Options{EKSClusters: slices.Repeat(numbered(1000), 2)}, ""},
		"cluster an odd text":  {awsiid.Options{EKSClusters: []string{"blue", "-blue"}}, `"-blue" is not an EKS cluster's name`},
		"cluster empty":        {awsiid.Options{EKSClusters: []string{""}}, `"" is not an EKS cluster's name`},
		"partition":            {awsiid.Options{Partition: "aws-cn"}, ""},
		"no such partition":    {awsiid.Options{Partition: "aws-mars"}, `"aws-mars" is not a partition`},
		"management region":    {organization(func(o *awsiid.OrganizationOptions) { o.Region = "abc-west-1" }), `organization: "abc-west-1" is not a region`},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := awsiid.New(tc.options)
			if tc.want == "" && err != nil || tc.want != "" && (err == nil || !strings.HasPrefix(err.Error(), "awsiid: "+tc.want)) {
				t.Errorf("got  %v\nwant %s", err, tc.want)
			}
		})
	}
}

// numbered makes names of clusters.
func numbered(count int) []string {
	var names []string
	for i := range count {
		names = append(names, fmt.Sprintf("c%d", i))
	}
	return names
}

func TestFactsThatAreNotConfigured(t *testing.T) {
	node := newFleet(t, awsiid.Options{Clients: &cloud{}}).node(testRegion, nil)
	sameFacts(t, node.Gather(t.Context(), []string{"organization", "eks"}), map[string]evidence.Fact{
		"organization": evidence.Failed(errors.New("awsiid: a policy asks for it, and no organization is configured (verify_organization)")),
		"eks":          evidence.Failed(errors.New("awsiid: a policy asks for it, and no clusters are configured (validate_eks_cluster_membership)")),
	})
}

// Without clients, as when a decision is explained offline, each fact says so.
func TestFactsWithoutClients(t *testing.T) {
	node := newFleet(t, awsiid.Options{Organization: &fromAPI, EKSClusters: []string{"blue"}}).node(testRegion, nil)
	const none = ": no AWS clients are configured"
	instance := evidence.Failed(errors.New("awsiid: ec2:DescribeInstances of i-0b22a22eec53b9321 in account 123456789012, region us-east-1" + none))
	sameFacts(t, node.Gather(t.Context(), []string{"instance", "instance_profile", "organization", "eks"}), map[string]evidence.Fact{
		"instance":         instance,
		"instance_profile": instance,
		"organization":     evidence.Failed(errors.New("awsiid: organizations:ListAccounts in account 777777777777, region us-west-2" + none)),
		"eks":              evidence.Failed(errors.New("awsiid: eks:ListNodegroups of blue in the server's own account, region us-east-1" + none)),
	})
}

// A panic in a goroutine of its own ends no plugin.
func TestPanicWhileLoading(t *testing.T) {
	c := twoClusters().cloud()
	c.nodeGroup = func(awsiid.Scope, *eks.DescribeNodegroupInput) (*eks.DescribeNodegroupOutput, error) { panic("boom") }
	got := gather(t, newFleet(t, awsiid.Options{Clients: c, EKSClusters: []string{"green"}}).node(testRegion, nil), "eks")
	if got.Status != evidence.StatusError || got.Err.Error() != "awsiid: panic: boom" {
		t.Errorf("got %+v", got)
	}
}

// All facts, through the real SDK and the wire formats of each service.
func TestAllFactsOverTheWire(t *testing.T) {
	clients := sdkClients(t, awsiid.Credentials{}, func(w http.ResponseWriter, r *http.Request) {
		if err := r.ParseForm(); err != nil {
			t.Error(err)
		}
		switch what := r.PostForm.Get("Action") + r.Header.Get("X-Amz-Target"); what {
		case "DescribeInstances":
			fmt.Fprint(w, strings.Replace(describeAnswer, "<networkInterfaceSet>",
				"<iamInstanceProfile><arn>"+profileARN+"</arn></iamInstanceProfile><networkInterfaceSet>", 1))
		case "GetInstanceProfile":
			fmt.Fprint(w, `<GetInstanceProfileResponse xmlns="https://iam.amazonaws.com/doc/2010-05-08/"><GetInstanceProfileResult><InstanceProfile><Roles><member><RoleName>`+
				r.PostForm.Get("InstanceProfileName")+`er</RoleName></member></Roles></InstanceProfile></GetInstanceProfileResult></GetInstanceProfileResponse>`)
		case "AssumeRole":
			fmt.Fprintf(w, assumeAnswer, "K", time.Now().Add(time.Hour).UTC().Format(time.RFC3339))
		case "AWSOrganizationsV20161128.ListAccounts":
			w.Header().Set("Content-Type", "application/x-amz-json-1.1")
			fmt.Fprint(w, `{"Accounts":[{"Id":"123456789012","State":"ACTIVE","JoinedTimestamp":1577836800.0,"Paths":["o-1/"]}]}`)
		case "DescribeAutoScalingGroups":
			fmt.Fprint(w, `<DescribeAutoScalingGroupsResponse xmlns="http://autoscaling.amazonaws.com/doc/2011-01-01/"><DescribeAutoScalingGroupsResult><AutoScalingGroups><member><AutoScalingGroupName>`+
				r.PostForm.Get("AutoScalingGroupNames.member.1")+`</AutoScalingGroupName><Instances><member><InstanceId>`+testInstance+`</InstanceId></member></Instances></member></AutoScalingGroups></DescribeAutoScalingGroupsResult></DescribeAutoScalingGroupsResponse>`)
		default:
			w.Header().Set("Content-Type", "application/json")
			switch r.URL.Path {
			case "/clusters/blue/node-groups":
				fmt.Fprint(w, `{"nodegroups":["workers"]}`)
			case "/clusters/blue/node-groups/workers":
				fmt.Fprint(w, `{"nodegroup":{"resources":{"autoScalingGroups":[{"name":"asg"}]}}}`)
			default: // another cluster
				w.Header().Set("X-Amzn-ErrorType", "ResourceNotFoundException")
				w.WriteHeader(http.StatusNotFound)
				fmt.Fprint(w, `{}`)
			}
		}
	})
	node := newFleet(t, awsiid.Options{Clients: clients, Organization: &fromAPI, EKSClusters: []string{"blue", "green"}}).node(testRegion, nil)
	facts := node.Gather(t.Context(), []string{"instance", "instance_profile", "organization", "eks"})
	if got := facts["instance"]; got.Status != evidence.StatusKnown {
		t.Errorf("instance: %+v", got)
	}
	delete(facts, "instance")
	sameFacts(t, facts, map[string]evidence.Fact{
		"instance_profile": evidence.Known(awsiid.InstanceProfile{ARN: profileARN, Name: "web", Roles: []awsiid.Role{{Name: "weber"}}}),
		"organization": evidence.Known(awsiid.Organization{
			AccountID: member, State: "ACTIVE", Source: "organizations", ManagementAccountID: "777777777777",
			JoinedTime: time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC), Paths: []string{"o-1/"},
		}),
		"eks": inCluster(awsiid.EKSCluster{Name: "blue", NodeGroup: "workers", AutoScalingGroup: "asg"}),
	})
}
