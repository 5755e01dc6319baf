package gatehouse.aws_iid

# METADATA
# title: The rule rests on the node's roles
# description: They tell Karpenter's nodes from instances that only have their tags.
required_fact contains "instance_profile"

# METADATA
# title: A selector from the node's cluster
# description: eks_cluster:NAME, by the name that data.fleet.clusters gives it.
selector contains sprintf("eks_cluster:%s", [name]) if some name in _eks_node_clusters

# METADATA
# title: The instance is a node of a known EKS cluster
# description: |
#   data.fleet.clusters has the account and region of each cluster, its Auto Scaling
#   groups, managed or not, and the roles of its Karpenter nodes. Nothing of EKS is asked.
violation contains {"rule": "eks_node", "msg": msg} if {
	count(_eks_node_clusters) == 0
	msg := concat("", [
		$"instance {input.evidence.instance_id} belongs to no EKS cluster of account ",
		$"{input.evidence.account_id} in region {input.evidence.region}",
	])
}

# Only AWS writes tags that begin with aws: .
_eks_node_clusters contains name if {
	some name, cluster in _eks_node_clusters_here
	input.facts.instance.tags["aws:autoscaling:groupName"] in cluster.auto_scaling_groups
}

# Karpenter's tags can be written by whoever may call ec2:CreateTags. To give an
# instance the role takes iam:PassRole as well.
_eks_node_clusters contains name if {
	some name, cluster in _eks_node_clusters_here
	input.facts.instance.tags["karpenter.sh/nodepool"]
	input.facts.instance.tags[concat("/", ["kubernetes.io/cluster", name])] == "owned"
	some role in input.facts.instance_profile.roles
	role.arn in cluster.karpenter_roles
}

# Names of clusters and groups are taken once in each account and region.
_eks_node_clusters_here[name] := cluster if {
	some name, cluster in data.fleet.clusters
	cluster.account_id == input.evidence.account_id
	cluster.region == input.evidence.region
}
