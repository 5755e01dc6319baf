package e2e_test

import (
	"cmp"
	"fmt"
	"reflect"
	"slices"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/spire-gatehouse/gatehouse/e2e/spire"
	"github.com/spire-gatehouse/gatehouse/e2e/stage"
	"github.com/spire-gatehouse/gatehouse/e2e/standin"
	"github.com/spire-gatehouse/gatehouse/e2e/standin/aws"
	"github.com/spire-gatehouse/gatehouse/internal/testauthority/awsiid"
)

// A place is an account in a region. Each has a cluster prod, whose node group
// and Auto Scaling group have the same names everywhere, and a profile web,
// whose role does not.
type place struct {
	account, region string
	number          int
}

// node is the ID of the instance in the place's cluster.
func (p place) node() string { return fmt.Sprintf("i-%017d", p.number) }

// spare is the ID of another instance in the cluster, which does not attest.
func (p place) spare() string { return fmt.Sprintf("i-%017d", 100+p.number) }

// places are three accounts in two regions. The server's own is not among them.
func places() []place {
	var all []place
	for _, account := range []string{"111111111111", "222222222222", "333333333333"} {
		for _, region := range []string{region, otherRegion} {
			all = append(all, place{account, region, len(all)})
		}
	}
	return all
}

// TestAccountsAndRegionsApart has one server for three accounts in two regions.
// Nothing that is known of one may be taken for another's: not the nodes of a
// cluster, not the roles of a profile, not the session that AWS is asked with.
func TestAccountsAndRegionsApart(t *testing.T) {
	t.Parallel()
	world := aws.NewWorld(nil)
	world.AddUser(account, stage.AccessKeyID, stage.SecretAccessKey)
	api := aws.New(world)
	listener, err := standin.Listen(t.Context(), api)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(listener.Close)
	signers, err := authorities()
	if err != nil {
		t.Fatal(err)
	}
	certificates := t.TempDir()
	for _, signer := range signers {
		if err := signer.WriteCertificates(certificates); err != nil {
			t.Fatal(err)
		}
	}
	for _, p := range places() {
		p.fill(world)
	}
	server := startForPlaces(t, listener.URL, certificates)
	s := running{server}

	// All at once, so that answers of one place are there while others ask.
	attestAll(t, server, func(p place) []byte { return p.boot(t, world, signers, p.node()) }, func(p place, err error) {
		if err != nil {
			t.Errorf("the node of %+v: %v", p, err)
		}
	})
	var want []spire.Agent
	for _, p := range places() {
		want = append(want, p.agent())
	}
	got := s.agents(t)
	slices.SortFunc(got, func(a, b spire.Agent) int { return cmp.Compare(a.ID, b.ID) })
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	wantCalls := map[aws.Call]bool{}
	for _, p := range places() {
		for _, action := range []string{"ec2:DescribeInstances", "iam:GetInstanceProfile", "eks:ListNodegroups", "eks:DescribeNodegroup", "autoscaling:DescribeAutoScalingGroups"} {
			wantCalls[aws.Call{Action: action, Account: p.account, Region: p.region}] = true
		}
	}
	calls := map[aws.Call]bool{}
	for _, call := range api.Calls() {
		if call.Action != "sts:AssumeRole" {
			calls[aws.Call{Action: call.Action, Account: call.Account, Region: call.Region, Error: call.Error}] = true
		}
	}
	if !reflect.DeepEqual(calls, wantCalls) {
		t.Errorf("AWS calls: got %v, want %v", calls, wantCalls)
	}

	// Impostors: in each place an instance that has an ID out of another place's
	// cluster: one of the other region, of another account, and of both.
	all := places()
	for _, step := range []int{1, 2, 3, 4, 5} {
		attestAll(t, server, func(p place) []byte {
			return p.boot(t, world, signers, all[(p.number+step)%len(all)].spare())
		}, func(p place, err error) {
			if status.Code(err) != codes.PermissionDenied {
				t.Errorf("in %+v, the ID of a node %d places on: got %v, want PermissionDenied", p, step, err)
				return
			}
			if entry := s.refusal(t, status.Convert(err).Message()); entry.Field("rules") != "[eks_cluster]" {
				t.Errorf("the server's log says %v", entry.Fields)
			}
		})
	}
}

// fill makes the cluster, the profile and the server's role.
func (p place) fill(world *aws.World) {
	world.PutRole(p.account, aws.Role{Name: "spire", TrustedAccounts: []string{account}})
	world.PutProfile(p.account, aws.Profile{Name: "web", Roles: []aws.ProfileRole{{Name: "web-of-" + p.account}}})
	world.PutCluster(p.account, p.region, aws.Cluster{Name: "prod", Nodegroups: []aws.Nodegroup{{Name: "workers", ScalingGroups: []string{"eks-workers"}}}})
	world.PutScalingGroup(p.account, p.region, aws.ScalingGroup{Name: "eks-workers", Instances: []string{p.node(), p.spare()}})
}

// boot boots an instance with this ID in the place, and returns its payload.
func (p place) boot(t *testing.T, world *aws.World, signers map[string]*awsiid.Authority, id string) []byte {
	t.Helper()
	document := awsiid.NewDocument(p.region)
	document.AccountID, document.InstanceID = p.account, id
	document.PendingTime = time.Now().UTC().Add(-10 * time.Minute).Format("2006-01-02T15:04:05Z")
	instance, err := stage.Instance(document)
	if err != nil {
		t.Fatal(err)
	}
	instance.InstanceProfile = &aws.InstanceProfile{ARN: aws.Profile{Name: "web"}.ARN(p.region, p.account), ID: "AIPA1"}
	instance.Tags = []aws.Tag{{Key: "place", Value: fmt.Sprint(p.number)}}
	world.PutInstance(p.account, p.region, instance)
	payload, err := signers[p.region].Payload(document.JSON())
	if err != nil {
		t.Fatal(err)
	}
	return payload
}

// agent is what the place's node becomes.
func (p place) agent() spire.Agent {
	return spire.Agent{
		ID:              "spiffe://example.org/spire/agent/aws_iid/" + p.account + "/" + p.region + "/" + p.node(),
		AttestationType: "aws_iid",
		Selectors: []string{
			"aws_iid:account_id:" + p.account,
			"aws_iid:az:" + p.region + "b",
			"aws_iid:iamrole:arn:aws:iam::" + p.account + ":role/web-of-" + p.account,
			"aws_iid:image:id:ami-5fb8c835",
			"aws_iid:instance:id:" + p.node(),
			"aws_iid:region:" + p.region,
			"aws_iid:sg:id:sg-0a1b2c3d4e5f60718",
			"aws_iid:sg:name:web",
			"aws_iid:tag:place:" + fmt.Sprint(p.number),
		},
	}
}

// startForPlaces starts a server that assumes a role in every account.
func startForPlaces(t *testing.T, url, certificates string) *spire.Server {
	t.Helper()
	binary, err := gatehouse()
	if err != nil {
		t.Fatal(err)
	}
	block, err := stage.Plugin(binary, fmt.Sprintf(`
            access_key_id = %q
            secret_access_key = %q
            identity_document_certificates = %q
            assume_role = "spire"
            validate_eks_cluster_membership = { eks_cluster_names = ["prod"] }`, stage.AccessKeyID, stage.SecretAccessKey, certificates))
	if err != nil {
		t.Fatal(err)
	}
	server := startServer(t, spire.ServerConfig{NodeAttestors: block,
		Env: []string{"AWS_ENDPOINT_URL=" + url, "AWS_REGION=" + region, "AWS_EC2_METADATA_DISABLED=true"}})
	return server
}

// attestAll attests in all places at once, and hands over how each ended.
func attestAll(t *testing.T, server *spire.Server, payload func(place) []byte, ended func(place, error)) {
	t.Helper()
	all := places()
	payloads, errs := make([][]byte, len(all)), make([]error, len(all))
	for i, p := range all {
		payloads[i] = payload(p)
	}
	client, err := server.NewClient()
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	var done sync.WaitGroup
	for i := range all {
		done.Go(func() { _, errs[i] = client.Attest(t.Context(), "aws_iid", payloads[i]) })
	}
	done.Wait()
	for i, p := range all {
		ended(p, errs[i])
	}
}
