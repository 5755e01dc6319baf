package e2e_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	agentstorev1 "github.com/spiffe/spire-plugin-sdk/proto/spire/hostservice/server/agentstore/v1"
	"github.com/spiffe/spire/test/fakes/fakeagentstore"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/spire-gatehouse/gatehouse/e2e/attestors"
	"github.com/spire-gatehouse/gatehouse/e2e/stage"
	"github.com/spire-gatehouse/gatehouse/e2e/standin"
	"github.com/spire-gatehouse/gatehouse/e2e/standin/aws"
	"github.com/spire-gatehouse/gatehouse/e2e/standin/fault"
	"github.com/spire-gatehouse/gatehouse/internal/testauthority/awsiid"
	"github.com/spire-gatehouse/gatehouse/internal/testwait"
)

// stormy is an AWS of several accounts and regions in which calls go wrong, and
// Gatehouse with every feature that asks it, loaded as SPIRE loads it.
type stormy struct {
	world    *aws.World
	api      *aws.Server
	faults   *fault.Injector
	store    *fakeagentstore.AgentStore
	attestor *attestors.Attestor
	signers  map[string]*awsiid.Authority
	data     string // plugin_data
}

// stormyData has all facts gathered, by all the APIs that there are.
const stormyData = `
	access_key_id = "` + stage.AccessKeyID + `"
	secret_access_key = "` + stage.SecretAccessKey + `"
	assume_role = "spire"
	verify_organization {
		management_account_id = "` + managementAccount + `"
		management_account_region = "` + region + `"
		assume_org_role = "org"
	}
	validate_eks_cluster_membership { eks_cluster_names = ["prod"] }
`

func newStormy(t *testing.T, seed uint64, timeout string) *stormy {
	t.Helper()
	return newStormyAt(t, seed, timeout, nil)
}

// newStormyAt has AWS's clock, too; nil for time.Now.
func newStormyAt(t *testing.T, seed uint64, timeout string, clock func() time.Time) *stormy {
	t.Helper()
	signers, err := authorities()
	if err != nil {
		t.Fatal(err)
	}
	s := &stormy{world: aws.NewWorld(clock), store: fakeagentstore.New(), signers: signers}
	s.world.AddUser(account, stage.AccessKeyID, stage.SecretAccessKey)
	s.world.PutRole(managementAccount, aws.Role{Name: "org", TrustedAccounts: []string{account}})
	organization := aws.Organization{Management: managementAccount, Accounts: []aws.OrganizationAccount{aws.ActiveAccount(managementAccount)}}
	for _, p := range places() {
		p.fill(s.world)
		organization.Accounts = append(organization.Accounts, aws.ActiveAccount(p.account))
	}
	s.world.PutOrganization(organization)
	s.api = aws.New(s.world)
	s.faults = fault.New(s.api, seed)
	listener, err := standin.Listen(t.Context(), s.faults)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(listener.Close)

	certificates := t.TempDir()
	for _, signer := range signers {
		if err := signer.WriteCertificates(certificates); err != nil {
			t.Fatal(err)
		}
	}
	binary, err := gatehouse()
	if err != nil {
		t.Fatal(err)
	}
	s.attestor, err = attestors.ExternalIn(t.Context(), awsEnvironment(listener.URL), s.store, "aws_iid", binary, "aws_iid")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.attestor.Close(); err != nil {
			t.Error(err)
		}
	})
	s.data = stormyData + "\tcloud_timeout = \"" + timeout + "\"\n" + fmt.Sprintf("\tidentity_document_certificates = %q\n", certificates)
	if err := s.attestor.Configure(t.Context(), s.data); err != nil {
		t.Fatal(err)
	}
	return s
}

// nodeID is the ID of the nth node of a place.
func nodeID(p place, n int) string { return fmt.Sprintf("i-%08d%09d", p.number, n) }

// scale makes the nodes from one to before another those of the place's cluster.
func (s *stormy) scale(p place, from, to int) {
	var ids []string
	for n := from; n < to; n++ {
		ids = append(ids, nodeID(p, n))
	}
	s.world.PutScalingGroup(p.account, p.region, aws.ScalingGroup{Name: "eks-workers", Instances: ids})
}

// node boots the nth node of a place, and returns its payload.
func (s *stormy) node(t *testing.T, p place, n int) []byte {
	t.Helper()
	s.scale(p, 0, n+1)
	return p.boot(t, s.world, s.signers, nodeID(p, n))
}

// try presents a payload until it is let in, as an agent does that may try again:
// PermissionDenied would be final for it. SPIRE stores who gets in.
func (s *stormy) try(ctx context.Context, payload []byte, tries int) (used int, err error) {
	for used = 1; used <= tries; used++ {
		var answer attestors.Answer
		if answer, err = s.attestor.Attest(ctx, payload); err == nil {
			s.store.SetAgentInfo(&agentstorev1.AgentInfo{AgentId: answer.AgentID})
			return used, nil
		}
		if status.Code(err) != codes.Unavailable {
			return used, err
		}
		select {
		case <-time.After(time.Second << min(used-1, 3)):
		case <-ctx.Done():
			return used, err
		}
	}
	return tries, err
}

// retries is how often an agent tries, at the least, with pauses of 1, 2, 4 and 8
// seconds: SPIRE's goes on for as long as its supervisor starts it.
const retries = 5

// TestThirtyPercentOfCallsFail: of every API, in every way. Each honest node gets in
// within its retries, and none is told that it is denied.
func TestThirtyPercentOfCallsFail(t *testing.T) {
	t.Parallel()
	s := newStormy(t, 20, "20s") // every kind is among the first 19 calls
	const each = 5
	var payloads [][]byte
	for _, p := range places() {
		for n := range each {
			payloads = append(payloads, s.node(t, p, n))
		}
	}
	s.faults.Set(fault.Rule{Share: 0.3})
	var mu sync.Mutex
	used := map[int]int{}
	var all sync.WaitGroup
	for i, payload := range payloads {
		all.Go(func() {
			tries, err := s.try(t.Context(), payload, retries)
			if err != nil {
				t.Errorf("node %d, after %d tries: %v", i, tries, err)
			}
			mu.Lock()
			defer mu.Unlock()
			used[tries]++
		})
	}
	all.Wait()
	calls, hits := s.faults.Hits()
	t.Logf("%d nodes by the tries they took: %v; %d calls, of which went wrong %v", len(payloads), used, calls, hits)
	for _, kind := range fault.All() {
		if hits[kind] == 0 {
			t.Errorf("nothing was %s: the test shows less than it says", kind)
		}
	}
}

// TestOneAPIDown: with an API down in one region, its nodes are told to try again
// within the deadline; other regions don't notice; and it is over when it is over.
func TestOneAPIDown(t *testing.T) {
	t.Parallel()
	s := newStormy(t, 2, "8s")
	here, there := places()[0], places()[1]
	if here.region == there.region || here.account != there.account {
		t.Fatal("the places are not an account in two regions")
	}
	for n, tc := range []struct {
		api  string
		kind fault.Kind
	}{{"ec2", fault.Failed}, {"ec2", fault.Hung}, {"eks", fault.Failed}, {"autoscaling", fault.Hung}} {
		t.Run(fmt.Sprint(tc.api, " ", tc.kind), func(t *testing.T) {
			// What was learned of the cluster before would be used for a while.
			if err := s.attestor.Configure(t.Context(), s.data+fmt.Sprintf("\taccount_ids_for_local_validation = [\"%012d\"]\n", n)); err != nil {
				t.Fatal(err)
			}
			first, other := s.node(t, here, n), s.node(t, there, n)
			s.faults.Set(fault.Rule{API: tc.api, Region: here.region, Share: 1, Kinds: []fault.Kind{tc.kind}})
			ctx, cancel := context.WithTimeout(t.Context(), testwait.Patience)
			defer cancel()
			if _, err := s.attestor.Attest(ctx, first); status.Code(err) != codes.Unavailable {
				t.Errorf("in the region where it %s: %v", tc.kind, err)
			}
			if tries, err := s.try(ctx, other, 1); err != nil {
				t.Errorf("in the other region, try %d: %v", tries, err)
			}
			s.faults.Set()
			s.recovers(t, first)
		})
	}
}

// TestGlobalAPIDown: the same of the APIs that have no region, and of STS in the
// server's own, where sessions in accounts that are new to it begin. All nodes need
// them, and are told to try again.
func TestGlobalAPIDown(t *testing.T) {
	t.Parallel()
	s := newStormy(t, 5, "8s")
	for n, tc := range []struct {
		api   string
		kind  fault.Kind
		place place
	}{
		{"iam", fault.Failed, places()[0]}, {"iam", fault.Hung, places()[0]},
		{"organizations", fault.Failed, places()[0]}, {"organizations", fault.Hung, places()[0]},
		{"sts", fault.Failed, places()[2]}, {"sts", fault.Hung, places()[4]},
	} {
		t.Run(fmt.Sprint(tc.api, " ", tc.kind), func(t *testing.T) {
			p := tc.place
			if err := s.attestor.Configure(t.Context(), s.data+fmt.Sprintf("\taccount_ids_for_local_validation = [\"%012d\"]\n", n)); err != nil {
				t.Fatal(err)
			}
			payload := s.node(t, p, n)
			s.faults.Set(fault.Rule{API: tc.api, Share: 1, Kinds: []fault.Kind{tc.kind}})
			ctx, cancel := context.WithTimeout(t.Context(), testwait.Patience)
			defer cancel()
			if _, err := s.attestor.Attest(ctx, payload); status.Code(err) != codes.Unavailable {
				t.Errorf("while it is %s: %v", tc.kind, err)
			}
			s.faults.Set()
			s.recovers(t, payload)
		})
	}
}

// TestIAMOfOneAccountDown: IAM is one for all regions, but not for all accounts.
func TestIAMOfOneAccountDown(t *testing.T) {
	t.Parallel()
	s := newStormy(t, 6, "8s")
	here, there := places()[0], places()[2]
	first, other := s.node(t, here, 0), s.node(t, there, 0)
	s.api.Faults.Add(aws.Fault{Action: "iam:GetInstanceProfile", Account: here.account, Error: &aws.Error{Status: 500, Code: "ServiceFailure", Message: "internal failure"}})
	if _, err := s.attestor.Attest(t.Context(), first); status.Code(err) != codes.Unavailable {
		t.Errorf("in the account: %v", err)
	}
	if _, err := s.try(t.Context(), other, 1); err != nil {
		t.Errorf("in another: %v", err)
	}
	s.api.Faults.Clear()
	s.recovers(t, first)
}

// TestClockSkew: AWS refuses requests of a clock that is a quarter of an hour off,
// and says what time it is. Nodes get in all the same.
func TestClockSkew(t *testing.T) {
	t.Parallel()
	for name, skew := range map[string]time.Duration{"AWS is ahead": 20 * time.Minute, "AWS is behind": -20 * time.Minute} {
		t.Run(name, func(t *testing.T) {
			s := newStormyAt(t, 7, "20s", func() time.Time { return time.Now().Add(skew) })
			if tries, err := s.try(t.Context(), s.node(t, places()[0], 0), 1); err != nil {
				t.Errorf("try %d: %v", tries, err)
			}
		})
	}
}

// recovers has a node attest now that nothing is wrong any more: it gets in at its
// first try. It may wait, for a second after what failed was last asked for, and while
// a call that hangs has not been given up.
func (s *stormy) recovers(t *testing.T, payload []byte) {
	t.Helper()
	began := time.Now()
	if _, err := s.try(t.Context(), payload, 1); err != nil {
		t.Errorf("no recovery: %v", err)
	}
	t.Logf("recovered in %s", time.Since(began).Round(time.Millisecond))
}

// TestOneAccountDown: a throttled account is nobody else's business.
func TestOneAccountDown(t *testing.T) {
	t.Parallel()
	s := newStormy(t, 3, "8s")
	here, there := places()[0], places()[2]
	first, other := s.node(t, here, 0), s.node(t, there, 0)
	s.api.Faults.Add(aws.Fault{Account: here.account, Error: aws.Throttled()})
	if _, err := s.attestor.Attest(t.Context(), first); status.Code(err) != codes.Unavailable {
		t.Errorf("in the account: %v", err)
	}
	if _, err := s.try(t.Context(), other, 1); err != nil {
		t.Errorf("in another: %v", err)
	}
	s.api.Faults.Clear()
	// The calls that were throttled pause, for as long as 5 seconds, and who shares
	// them with them: that is AWS's due, and the node comes again.
	if tries, err := s.try(t.Context(), first, 3); err != nil {
		t.Errorf("no recovery after %d tries: %v", tries, err)
	}
}

// TestStaleReads: EC2 does not know an instance everywhere as soon as it runs.
func TestStaleReads(t *testing.T) {
	t.Parallel()
	s := newStormy(t, 4, "8s")
	p := places()[0]
	young := awsiid.NewDocument(p.region)
	young.AccountID, young.InstanceID = p.account, p.node()
	young.PendingTime = time.Now().UTC().Format("2006-01-02T15:04:05Z")
	p.boot(t, s.world, s.signers, p.node())
	payload, err := s.signers[p.region].Payload(young.JSON())
	if err != nil {
		t.Fatal(err)
	}
	instance, err := stage.Instance(young)
	if err != nil {
		t.Fatal(err)
	}
	instance.InstanceProfile = &aws.InstanceProfile{ARN: aws.Profile{Name: "web"}.ARN(p.region, p.account), ID: "AIPA1"}
	s.world.PutInstance(p.account, p.region, instance)
	s.api.Faults.Add(aws.Fault{Action: "ec2:DescribeInstances", Times: 1,
		Error: &aws.Error{Status: 400, Code: "InvalidInstanceID.NotFound", Message: "The instance ID '" + p.node() + "' does not exist"}})
	if tries, err := s.try(t.Context(), payload, 1); err != nil {
		t.Errorf("try %d: %v", tries, err)
	}
}

// TestAzureThirtyPercentOfCallsFail: the same of Entra ID and Resource Manager. Few
// come at a time, so that few share a call.
func TestAzureThirtyPercentOfCallsFail(t *testing.T) {
	t.Parallel()
	const machines, atOnce = 40, 2
	s := startAzure(t, azureSecret)
	fleet := make([]stage.VM, machines)
	for i := range fleet {
		fleet[i] = s.vm(fmt.Sprintf("web-%d", i), azureNumbered(i))
	}
	s.Faults.Set(fault.Rule{Share: 0.3})
	left := make([]int, machines)
	for i := range left {
		left[i] = i
	}
	var used []int
	for try := 1; try <= retries && len(left) > 0; try++ {
		var again []int
		for n, err := range s.attestAll(t, atOnce, len(left), func(n int) []byte { return azurePayload(t, s.Token(fleet[left[n]].Metadata.Identity)) }) {
			if err == nil {
				continue
			}
			if again = append(again, left[n]); status.Code(err) != codes.Unavailable {
				t.Errorf("machine %d, try %d: %v", left[n], try, err)
			}
		}
		used, left = append(used, len(left)-len(again)), again
	}
	calls, hits := s.Faults.Hits()
	t.Logf("%d machines by the tries they took: %v; %d calls, of which went wrong %v", machines, used, calls, hits)
	if len(left) > 0 {
		t.Errorf("%d machines did not get in within %d tries", len(left), retries)
	}
	for _, kind := range fault.All() {
		if calls < machines || hits[kind] == 0 {
			t.Errorf("%d calls, and of them %d %s: the test shows less than it says", calls, hits[kind], kind)
		}
	}
}

// TestAzureOneAPIDown: without Resource Manager or Entra ID, machines are told to try
// again within the deadline, and it is over when it is over: the next try gets in.
// Without Resource Graph, Resource Manager answers.
func TestAzureOneAPIDown(t *testing.T) {
	t.Parallel()
	s := startAzure(t, azureSecret)
	n := 0
	machine := func() []byte {
		n++
		return azurePayload(t, s.Token(s.vm(fmt.Sprintf("web-%d", n), azureNumbered(n)).Metadata.Identity))
	}
	for _, kind := range []fault.Kind{fault.Failed, fault.Hung} {
		for _, api := range []string{"login", "management"} {
			t.Run(fmt.Sprint(api, " ", kind), func(t *testing.T) {
				// One that has no keys, and no token of its own.
				fresh := startAzureServer(t, s.Azure, azureBlock(t, azureSecret+"\ncloud_timeout = \"8s\"\n"), nil)
				attest := func(payload []byte) error {
					_, err := fresh.server.Attest(t.Context(), "azure_msi", payload)
					return err
				}
				s.Faults.Set(fault.Rule{API: api, Share: 1, Kinds: []fault.Kind{kind}})
				payload := machine()
				if err := attest(payload); status.Code(err) != codes.Unavailable {
					t.Errorf("while it is %s: %v", kind, err)
				}
				s.Faults.Set()
				began := time.Now()
				if err := attest(payload); err != nil {
					t.Errorf("no recovery: %v", err)
				}
				t.Logf("recovered in %s", time.Since(began).Round(time.Millisecond))
			})
		}
	}
	t.Run("graph", func(t *testing.T) {
		s.Faults.Set(fault.Rule{API: "graph", Share: 1, Kinds: []fault.Kind{fault.Failed}})
		const fleet = 10
		var payloads [][]byte
		for range fleet {
			payloads = append(payloads, machine())
		}
		_, before := s.Faults.Hits()
		for n, err := range s.attestAll(t, fleet, fleet, func(n int) []byte { return payloads[n] }) {
			if err != nil {
				t.Errorf("machine %d: %v", n, err)
			}
		}
		if _, hits := s.Faults.Hits(); hits[fault.Failed] == before[fault.Failed] {
			t.Error("Resource Graph was not asked")
		}
	})
}
