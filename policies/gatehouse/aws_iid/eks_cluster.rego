package gatehouse.aws_iid

# METADATA
# title: Clusters are looked up
# description: Only where validate_eks_cluster_membership is configured; required where the rule denies.
required_fact contains "eks" if {
	data.gatehouse.config.validate_eks_cluster_membership
	not data.gatehouse.config.enforcement.eks_cluster == "warn"
	not data.gatehouse.config.enforcement.eks_cluster == "off"
}

# METADATA
# title: Clusters are looked up in a dry run
# description: A rule that only warns does not stop an attestation for a fact that can't be learned.
optional_fact contains "eks" if {
	data.gatehouse.config.validate_eks_cluster_membership
	data.gatehouse.config.enforcement.eks_cluster == "warn"
}

# METADATA
# title: The instance belongs to a configured EKS cluster
# description: |
#   An Auto Scaling group of one of the cluster's node groups holds the instance, as
#   AWS has it: tags on the instance would prove nothing.
violation contains {"rule": "eks_cluster", "msg": $"instance {input.evidence.instance_id} {_clusters}"} if {
	data.gatehouse.config.validate_eks_cluster_membership
	not _in_cluster
}

_in_cluster if {
	configured := data.gatehouse.config.validate_eks_cluster_membership
	some cluster in input.facts.eks.clusters
	cluster.name in configured.eks_cluster_names
}

default _clusters := "is not known to belong to a configured EKS cluster"

_clusters := "belongs to none of the configured EKS clusters" if input.facts.eks.clusters
