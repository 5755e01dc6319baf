package e2e_test

import (
	"fmt"

	"github.com/spire-gatehouse/gatehouse/e2e/standin/aws"
)

const managementAccount = "999999999999"

// organization makes an organization with these members, and its role.
func organization(members ...aws.OrganizationAccount) func(*trial) {
	return func(tr *trial) {
		tr.world.PutOrganization(aws.Organization{Management: managementAccount, Accounts: members})
		orgRole(tr)
	}
}

func orgRole(tr *trial) {
	tr.world.PutRole(managementAccount, aws.Role{Name: "org", TrustedAccounts: []string{account}, Actions: []string{"organizations:ListAccounts"}})
}

// member makes the node's account an active member.
func member(tr *trial) {
	organization(aws.ActiveAccount(managementAccount), aws.ActiveAccount(tr.document.AccountID))(tr)
}

func organizationDifferences() []difference {
	const rule = "[organization]"
	node := func(state, status string) func(*trial) {
		return organization(aws.ActiveAccount(managementAccount), aws.OrganizationAccount{ID: account, State: state, Status: status})
	}
	many := func(empty bool) func(*trial) {
		return func(tr *trial) {
			orgRole(tr)
			all := aws.Organization{Management: managementAccount, EmptyPages: empty}
			for i := range 45 {
				all.Accounts = append(all.Accounts, aws.ActiveAccount(fmt.Sprintf("%012d", i)))
			}
			all.Accounts = append(all.Accounts, aws.ActiveAccount(account))
			tr.world.PutOrganization(all)
		}
	}
	org := organizationBlock("")
	return []difference{
		{name: "member", config: org, set: member, want: accepts},
		{name: "not a member", config: org, set: organization(aws.ActiveAccount(managementAccount), aws.ActiveAccount(otherAccount)), want: denies, says: "not part of configured organization", rules: rule},
		{name: "member on the third page", config: org, set: many(false), want: accepts},
		{name: "empty pages", config: org, set: many(true), want: accepts},
		{name: "organization of no one", config: org, set: organization(), want: denies, says: "not part of configured organization", rules: rule},
		{name: "suspended", config: org, set: node("SUSPENDED", "SUSPENDED"), want: denies, says: "doesn't have ACTIVE status", rules: rule},
		{name: "pending closure", config: org, set: node("PENDING_CLOSURE", "PENDING_CLOSURE"), want: denies, says: "doesn't have ACTIVE status", rules: rule},
		{name: "closed", config: org, set: node("CLOSED", "SUSPENDED"), want: denies, says: "doesn't have ACTIVE status", rules: rule},
		{name: "neither state nor status", config: org, set: node("", ""), want: denies, says: "doesn't have ACTIVE status", rules: rule},
		{name: "only the old status", config: org, set: node("", "ACTIVE"), want: accepts},
		{name: "only the old status, suspended", config: org, set: node("", "SUSPENDED"), want: denies, says: "doesn't have ACTIVE status", rules: rule},
		{name: "only the new state", config: org, set: node("ACTIVE", ""), want: denies, says: "doesn't have ACTIVE status", differs: "organization_state", gatehouse: accepts},
		{name: "only the new state, suspended", config: org, set: node("SUSPENDED", ""), want: denies, says: "doesn't have ACTIVE status", rules: rule},
		{name: "state that the status does not show", config: org, set: node("PENDING_CLOSURE", "ACTIVE"), want: accepts, differs: "organization_state", gatehouse: denies, rules: rule},
		{name: "management account's region", config: organizationBlock(`management_account_region = "eu-central-1"`), set: member, want: accepts},
		{name: "delegated administrator", config: org, want: accepts, set: func(tr *trial) {
			orgRole(tr)
			tr.world.PutOrganization(aws.Organization{Management: thirdAccount, Delegated: []string{managementAccount}, Accounts: []aws.OrganizationAccount{aws.ActiveAccount(account)}})
		}},
		{name: "management account is none", config: org, set: orgRole, want: denies, says: "AWSOrganizationsNotInUseException", rules: "outcome=unavailable"},
		{name: "management account is a mere member", config: org, want: denies, says: "AccessDeniedException", rules: "outcome=unavailable", set: func(tr *trial) {
			orgRole(tr)
			tr.world.PutOrganization(aws.Organization{Management: thirdAccount, Accounts: []aws.OrganizationAccount{aws.ActiveAccount(managementAccount)}})
		}},
		{name: "organization's role does not trust the server", config: org, want: denies, says: "AccessDenied", rules: "outcome=unavailable", set: func(tr *trial) {
			member(tr)
			tr.world.PutRole(managementAccount, aws.Role{Name: "org", TrustedAccounts: []string{thirdAccount}})
		}},

		{name: "listed in a file", config: fileBlock, set: listed(`["000000000001", "123456789012"]`), want: accepts},
		{name: "not listed in a file", config: fileBlock, set: listed(`["000000000001"]`), want: denies, says: "not part of configured organization", rules: rule},
		{name: "file that lists nobody", config: fileBlock, set: listed(`[]`), want: denies, says: "not part of configured organization", rules: rule},
		{name: "account listed just now", config: fileBlock + soon, want: accepts, set: func(tr *trial) {
			listed(`["` + managementAccount + `"]`)(tr)
			tr.neighbour(managementAccount, 1)
			tr.entered = func() { listed(`["123456789012"]`)(tr) }
		}},
		{name: "file that lists twice", config: fileBlock, set: listed(`["123456789012", "123456789012"]`), want: accepts},

		{name: "account that joined just now", config: org + soon, want: accepts, set: func(tr *trial) {
			organization(aws.ActiveAccount(managementAccount))(tr)
			tr.neighbour(managementAccount, 1)
			tr.entered = func() { member(tr) }
		}},
		{name: "account that joined just now, after five foreign ones", config: org + soon, want: denies, says: "not part of configured organization", differs: "recheck", gatehouse: accepts, set: func(tr *trial) {
			organization(aws.ActiveAccount(managementAccount))(tr)
			for i := range 6 {
				tr.neighbour(fmt.Sprintf("%012d", 1+i), 1+i)
			}
			tr.entered = func() { member(tr) }
		}},
	}
}

// soon has Gatehouse read lists again after a second, so that tests needn't wait for
// ten. The built-in ignores it.
const soon = "\ncache = { recheck = \"1s\" }"

// clusters is a configuration that wants one of these.
func clusters(names ...string) string {
	return fmt.Sprintf("validate_eks_cluster_membership = { eks_cluster_names = %s }", quoted(names))
}

func quoted(names []string) string {
	text := "["
	for _, name := range names {
		text += fmt.Sprintf("%q, ", name)
	}
	return text + "]"
}

// cluster makes a cluster in an account, of one node group with these instances.
func cluster(tr *trial, account, name string, instances ...string) {
	tr.world.PutCluster(account, tr.document.Region, aws.Cluster{Name: name, Nodegroups: []aws.Nodegroup{{Name: "workers", ScalingGroups: []string{"eks-" + name}}}})
	tr.world.PutScalingGroup(account, tr.document.Region, aws.ScalingGroup{Name: "eks-" + name, Instances: instances})
}

// inCluster makes the node one of the cluster prod.
func inCluster(tr *trial) { cluster(tr, tr.document.AccountID, "prod", tr.document.InstanceID) }

func eksDifferences() []difference {
	const rule = "[eks_cluster]"
	const notPart = "not part of configured EKS cluster"
	groups := func(groups ...aws.Nodegroup) func(*trial) {
		return func(tr *trial) {
			inCluster(tr)
			tr.world.PutCluster(account, region, aws.Cluster{Name: "prod", Nodegroups: groups})
		}
	}
	member := aws.Nodegroup{Name: "workers", ScalingGroups: []string{"eks-prod"}}
	other := aws.Nodegroup{Name: "others", ScalingGroups: []string{"eks-others"}}
	hundred := make([]aws.Nodegroup, 100, 101)
	for i := range hundred {
		hundred[i] = aws.Nodegroup{Name: fmt.Sprintf("group-%d", i)}
	}
	return []difference{
		{name: "node of the cluster", config: clusters("prod"), set: inCluster, want: accepts},
		{name: "not a node of the cluster", config: clusters("prod"), want: denies, says: notPart, rules: rule,
			set: func(tr *trial) { cluster(tr, account, "prod", tr.id(1)) }},
		{name: "node of another cluster", config: clusters("prod"), want: denies, says: notPart, rules: rule, set: func(tr *trial) {
			cluster(tr, account, "prod")
			cluster(tr, account, "test", tr.id(0))
		}},
		{name: "node of the second cluster", config: clusters("prod", "test"), want: accepts, set: func(tr *trial) {
			cluster(tr, account, "prod", tr.id(1))
			cluster(tr, account, "test", tr.id(0))
		}},
		{name: "node of both clusters", config: clusters("prod", "test"), want: accepts, set: func(tr *trial) {
			cluster(tr, account, "prod", tr.id(0))
			cluster(tr, account, "test", tr.id(0))
		}},
		{name: "cluster with no node group", config: clusters("prod"), set: groups(), want: denies, says: notPart, rules: rule},
		{name: "node of the second node group", config: clusters("prod"), set: groups(other, member), want: accepts},
		{name: "node of the second Auto Scaling group", config: clusters("prod"), set: groups(aws.Nodegroup{Name: "workers", ScalingGroups: []string{"eks-none", "eks-prod"}}), want: accepts},
		{name: "node group on the second page", config: clusters("prod"), set: groups(append(hundred, member)...), want: accepts},
		{name: "node group with an Auto Scaling group that is gone", config: clusters("prod"), set: groups(other), want: denies, says: notPart, rules: rule},
		{name: "node group with a nameless Auto Scaling group", config: clusters("prod"), set: groups(aws.Nodegroup{Name: "workers", ScalingGroups: []string{"", "eks-prod"}}), want: accepts},
		{name: "Auto Scaling group with a nameless instance", config: clusters("prod"), want: accepts,
			set: func(tr *trial) { cluster(tr, account, "prod", "", tr.id(0)) }},
		{name: "Auto Scaling group of no cluster", config: clusters("prod"), want: denies, says: notPart, rules: rule, set: func(tr *trial) {
			cluster(tr, account, "prod")
			tr.world.PutScalingGroup(account, region, aws.ScalingGroup{Name: "karpenter", Instances: []string{tr.id(0)}})
		}},
		{name: "node group that is being created", config: clusters("prod"), set: groups(aws.Nodegroup{Name: "young", NoResources: true}, member),
			want: panics, differs: "panics", gatehouse: accepts},
		{name: "cluster of the same name in another region", config: clusters("prod"), want: denies, says: notPart, rules: rule, set: func(tr *trial) {
			inCluster(tr)
			cluster(tr, account, "prod")
			tr.world.PutCluster(account, otherRegion, aws.Cluster{Name: "prod", Nodegroups: []aws.Nodegroup{member}})
			tr.world.PutScalingGroup(account, otherRegion, aws.ScalingGroup{Name: "eks-prod", Instances: []string{tr.id(0)}})
		}},
		{name: "no such cluster", config: clusters("prod"), want: denies, says: "ResourceNotFoundException", rules: rule},
		{name: "one cluster of two is not in the account", config: clusters("prod", "test"), set: inCluster, want: denies, says: "ResourceNotFoundException",
			differs: "eks_missing_cluster", gatehouse: accepts},

		{name: "node that joined just now", config: clusters("prod") + soon, want: accepts, set: func(tr *trial) {
			cluster(tr, account, "prod", tr.id(1))
			tr.neighbour(account, 1)
			tr.entered = func() { cluster(tr, account, "prod", tr.id(0), tr.id(1)) }
		}},
		{name: "instance of another account's cluster", config: clusters("prod") + "\nassume_role = \"spire\"", want: accepts,
			differs: "eks_cache", gatehouse: denies, rules: rule, set: func(tr *trial) {
				delegate(tr)
				cluster(tr, account, "prod", tr.id(1))
				tr.neighbour(otherAccount, 0)
				tr.world.PutRole(otherAccount, aws.Role{Name: "spire", TrustedAccounts: []string{account}})
				cluster(tr, otherAccount, "prod", tr.id(0))
			}},
		{name: "two accounts in turns", config: clusters("prod") + "\nassume_role = \"spire\"", want: denies, says: notPart,
			differs: "eks_cache", gatehouse: accepts, set: func(tr *trial) {
				delegate(tr)
				tr.world.PutRole(otherAccount, aws.Role{Name: "spire", TrustedAccounts: []string{account}})
				ours, theirs := []string{tr.id(0)}, []string{}
				for i := range 4 {
					ours, theirs = append(ours, tr.id(2*i+1)), append(theirs, tr.id(2*i+2))
					tr.neighbour(account, 2*i+1)
					tr.neighbour(otherAccount, 2*i+2)
				}
				cluster(tr, account, "prod", ours...)
				cluster(tr, otherAccount, "prod", theirs...)
			}},
	}
}
