package gatehouse.aws_iid_test

import data.gatehouse.aws_iid

_eks_config := object.union(
	config,
	{"validate_eks_cluster_membership": {"eks_cluster_names": ["shop", "blog"]}},
)

_cluster(name) := {"name": name, "node_group": "workers", "auto_scaling_group": "eks-workers-1"}

_eks_input(clusters) := changed(decision_input, "facts/eks", {"clusters": clusters})

_eks_reason(text) := {"rule": "eks_cluster", "msg": $"instance i-0123456789abcdef0 {text}"}

_in_none := _eks_reason("belongs to none of the configured EKS clusters")

_cluster_not_known := _eks_reason("is not known to belong to a configured EKS cluster")

test_eks_cluster_accepts[name] if {
	some name, clusters in {
		"one": [_cluster("blog")],
		"several": [_cluster("shop"), _cluster("blog")],
		"one of several": [_cluster("other"), _cluster("blog")],
	}
	aws_iid.violation == set() with input as _eks_input(clusters) with data.gatehouse.config as _eks_config
}

_clusters := {
	"none": [],
	"another": [_cluster("other")],
	"look-alikes": [_cluster("Blog"), _cluster("blog "), _cluster("blog2"), _cluster("blo"), _cluster("")],
	"no name": [{"node_group": "workers"}],
	"null": [_cluster(null)],
	"a text": ["blog"],
}

test_eks_cluster_cases if count(_clusters) == 6

test_eks_cluster_denies[name] if {
	some name, clusters in _clusters
	aws_iid.violation == {_in_none} with input as _eks_input(clusters) with data.gatehouse.config as _eks_config
}

test_eks_cluster_denies_a_fact_that_is_not_there[status] if {
	some status in ["absent", "error", "not_collected"]
	aws_iid.violation == {_cluster_not_known} with data.gatehouse.config as _eks_config
		with input as changed(decision_input, "facts_status/eks", status)
}

test_eks_cluster_denies_without_clusters if {
	aws_iid.violation == {_cluster_not_known} with data.gatehouse.config as _eks_config
		with input as changed(decision_input, "facts/eks", {})
}

test_eks_cluster_denies_when_no_cluster_is_named if {
	aws_iid.violation == {_in_none} with input as _eks_input([_cluster("blog")])
		with data.gatehouse.config as object.union(config, {"validate_eks_cluster_membership": {}})
}

test_eks_cluster_is_not_judged_without_configuration if {
	aws_iid.violation == set() with input as _eks_input([]) with data.gatehouse.config as config
}

_eks_facts := {
	"not configured": {"config": config, "required": set(), "optional": set()},
	"deny": {"config": enforced(_eks_config, "eks_cluster", "deny"), "required": {"eks"}, "optional": set()},
	"warn": {"config": enforced(_eks_config, "eks_cluster", "warn"), "required": set(), "optional": {"eks"}},
	"off": {"config": enforced(_eks_config, "eks_cluster", "off"), "required": set(), "optional": set()},
}

test_eks_cluster_fact_cases if count(_eks_facts) == 4

test_eks_cluster_asks[name] if {
	some name, tc in _eks_facts
	aws_iid.required_fact == tc.required | {"instance", "instance_profile"} with data.gatehouse.config as tc.config
	aws_iid.optional_fact == tc.optional with data.gatehouse.config as tc.config
}
