package eks_node_test

import data.gatehouse.aws_iid
import data.gatehouse.aws_iid_test as fixtures

good_inputs := {"group": _node(_group_tags, _web_role), "karpenter": _node(_karpenter_tags, _node_role)}

good_data := {"clusters": {
	"shop": {
		"account_id": "123456789012",
		"region": "us-west-2",
		"auto_scaling_groups": ["eks-shop-workers-1", "eks-shop-workers-2"],
		"karpenter_roles": ["arn:aws:iam::123456789012:role/KarpenterNodeRole-shop"],
	},
	"bank": {
		"account_id": "210987654321",
		"region": "us-west-2",
		"auto_scaling_groups": ["eks-bank-workers-1", "eks-shop-workers-1"],
		"karpenter_roles": ["arn:aws:iam::210987654321:role/KarpenterNodeRole-bank"],
	},
}}

_group_tags := {"aws:autoscaling:groupName": "eks-shop-workers-1", "kubernetes.io/cluster/shop": "owned"}

_karpenter_tags := {"karpenter.sh/nodepool": "default", "kubernetes.io/cluster/shop": "owned"}

_node_role := "arn:aws:iam::123456789012:role/KarpenterNodeRole-shop"

_web_role := "arn:aws:iam::123456789012:role/Web"

_node(tags, role) := json.patch(fixtures.decision_input, [
	{"op": "replace", "path": "facts/instance/tags", "value": tags},
	{"op": "add", "path": "facts/instance_profile", "value": {
		"arn": "arn:aws:iam::123456789012:instance-profile/node",
		"name": "node",
		"roles": [{"arn": role, "name": "node"}],
	}},
])

_in_account(doc, account, region) := json.patch(doc, [
	{"op": "replace", "path": "evidence/account_id", "value": account},
	{"op": "replace", "path": "evidence/region", "value": region},
])

# What the example says of a node: why it refuses it, and the clusters it finds.
_own(decision) := {
	"refused": {reason | some reason in decision.violations; reason.rule == "eks_node"},
	"selectors": {value | some value in decision.selectors; startswith(value, "eks_cluster:")},
}

_in_cluster(name) := {"refused": set(), "selectors": {$"eks_cluster:{name}"}}

_in_none(account, region) := {
	"refused": {{"rule": "eks_node", "msg": concat("", [
		"instance i-0123456789abcdef0 belongs to no EKS cluster of account ",
		$"{account} in region {region}",
	])}},
	"selectors": set(),
}

_not_here := _in_none("123456789012", "us-west-2")

_changed_tags(change) := object.union(_karpenter_tags, change)

_cases := {
	"group": {"doc": _node(_group_tags, _web_role), "want": _in_cluster("shop")},
	"group of another cluster": {
		"doc": _node({"aws:autoscaling:groupName": "eks-bank-workers-1"}, _node_role),
		"want": _not_here,
	},
	"group of that name in another account": {
		"doc": _in_account(_node(_group_tags, _web_role), "210987654321", "us-west-2"),
		"want": _in_cluster("bank"),
	},
	"group in another region": {
		"doc": _in_account(_node(_group_tags, _web_role), "123456789012", "us-east-1"),
		"want": _in_none("123456789012", "us-east-1"),
	},
	"group of a similar name": {
		"doc": _node({"aws:autoscaling:groupName": "eks-shop-workers-10"}, _web_role),
		"want": _not_here,
	},
	"a tag that only looks like the group's": {
		"doc": _node({"autoscaling:groupName": "eks-shop-workers-1"}, _web_role),
		"want": _not_here,
	},
	"Karpenter": {"doc": _node(_karpenter_tags, _node_role), "want": _in_cluster("shop")},
	"Karpenter's tags, another role": {"doc": _node(_karpenter_tags, _web_role), "want": _not_here},
	"Karpenter's role, no tags": {"doc": _node({}, _node_role), "want": _not_here},
	"Karpenter's role, another cluster": {
		"doc": _node({"karpenter.sh/nodepool": "default", "kubernetes.io/cluster/bank": "owned"}, _node_role),
		"want": _not_here,
	},
	"shared, not owned": {
		"doc": _node(_changed_tags({"kubernetes.io/cluster/shop": "shared"}), _node_role),
		"want": _not_here,
	},
	"no node pool": {
		"doc": _node(object.remove(_karpenter_tags, ["karpenter.sh/nodepool"]), _node_role),
		"want": _not_here,
	},
	"nothing": {"doc": _node({}, _web_role), "want": _not_here},
}

test_cases if count(_cases) == 13

test_eks_node[name] if {
	some name, tc in _cases
	decision := aws_iid.decision with input as tc.doc
		with data.gatehouse.config as fixtures.config
		with data.fleet.clusters as good_data.clusters
	_own(decision) == tc.want
}

test_missing[pointer] if {
	some pointer, want in {
		"facts": _not_here,
		"facts/instance": _not_here,
		"facts/instance/tags": _not_here,
		"facts/instance_profile": _not_here,
		"facts/instance_profile/roles": _not_here,
		"evidence/account_id": _in_none("<undefined>", "us-west-2"),
		"evidence/region": _in_none("123456789012", "<undefined>"),
	}
	decision := aws_iid.decision with input as fixtures.without(good_inputs.karpenter, pointer)
		with data.gatehouse.config as fixtures.config
		with data.fleet.clusters as good_data.clusters
	_own(decision) == want
}

test_no_clusters[name] if {
	some name, clusters in {"empty": {}, "null": null, "nothing known of one": {"shop": {}}}
	decision := aws_iid.decision with input as good_inputs.group
		with data.gatehouse.config as fixtures.config
		with data.fleet.clusters as clusters
	_own(decision) == _not_here
}

test_the_fact_is_asked_for if {
	"instance_profile" in aws_iid.admission.facts.required with input as fixtures.admission_input
		with data.gatehouse.config as object.union(fixtures.config, {"disable_instance_profile_selectors": true})
}

# The list as it is: a slip in it is found before it takes over.
test_list_is_well_formed if {
	every cluster in data.fleet.clusters {
		regex.match(`^[0-9]{12}$`, cluster.account_id)
		is_string(cluster.region)
		is_array(cluster.auto_scaling_groups)
		every role in cluster.karpenter_roles {
			regex.match($`^arn:[a-z-]+:iam::{cluster.account_id}:role/.+$`, role)
		}
	}
}
