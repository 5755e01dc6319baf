package bench

import (
	"fmt"
	"strings"

	"github.com/spire-gatehouse/gatehouse/e2e/standin/aws"
)

// A World is a pair of jobs of Gatehouse's, in a large world and in a small one: an
// attestation should cost the same.
type World struct {
	Name     string
	Sequence Sequence
}

// FlatAWS are worlds with many accounts, clusters and tags, and with few. Each of
// its fleets has so many nodes.
func (a *AWS) FlatAWS(program string, nodes, blocks int) ([]World, error) {
	few, err := a.Fleet(nodes, 2)
	if err != nil {
		return nil, err
	}
	many, err := a.Fleet(nodes, 50)
	if err != nil {
		return nil, err
	}
	job := func(fleet Fleet, more string) Job {
		j := a.Job(Storm, program, fleet)
		j.PluginData += "\n" + more
		return j
	}
	return []World{
		{"10,000 accounts in the organization, 10", Sequence{Jobs: [2]Job{job(few, a.organization(10_000)), job(few, a.organization(10))}, Blocks: blocks}},
		{"200 clusters, 1", Sequence{Jobs: [2]Job{job(few, a.clusters(200, few)), job(few, a.clusters(1, few))}, Blocks: blocks}},
		{"50 tags on each instance, 2", Sequence{Jobs: [2]Job{job(many, ""), job(few, "")}, Blocks: blocks}},
	}, nil
}

// organization makes one with so many accounts, and returns its configuration.
func (a *AWS) organization(accounts int) string {
	management := fmt.Sprintf("9%011d", accounts)
	all := aws.Organization{Management: management, Accounts: []aws.OrganizationAccount{aws.ActiveAccount(management)}}
	for i := range accounts - 2 {
		all.Accounts = append(all.Accounts, aws.ActiveAccount(fmt.Sprintf("8%011d", i)))
	}
	all.Accounts = append(all.Accounts, aws.ActiveAccount(account))
	a.cloud.World.PutOrganization(all)
	a.cloud.World.PutRole(management, aws.Role{Name: "org", TrustedAccounts: []string{account}})
	return fmt.Sprintf("verify_organization = {\nmanagement_account_id = %q\nassume_org_role = \"org\"\n}", management)
}

// clusters makes so many, with the fleet in the last, and returns their
// configuration.
func (a *AWS) clusters(count int, fleet Fleet) string {
	var names []string
	for i := range count {
		name := fmt.Sprintf("of-%d-number-%d", count, i)
		group := aws.ScalingGroup{Name: "eks-" + name}
		if i == count-1 {
			group.Instances = fleet.IDs
		}
		a.cloud.World.PutCluster(account, region, aws.Cluster{Name: name, Nodegroups: []aws.Nodegroup{{Name: "workers", ScalingGroups: []string{group.Name}}}})
		a.cloud.World.PutScalingGroup(account, region, group)
		names = append(names, fmt.Sprintf("%q", name))
	}
	return "validate_eks_cluster_membership = { eks_cluster_names = [" + strings.Join(names, ", ") + "] }"
}

// FlatAzure are worlds with many tenants, and with one.
func (a *Azure) FlatAzure(program string, fleet Fleet, blocks int) []World {
	many, one := a.Job(Storm, program, fleet), a.Job(Storm, program, fleet)
	many.PluginData = a.ManyTenants(5_000)
	return []World{{"5,000 tenants, 1", Sequence{Jobs: [2]Job{many, one}, Blocks: blocks}}}
}
