package attestor

// policyConfig is the configuration as policies see it, data.gatehouse.config:
// the keys of plugin_data without the credentials, the blocks policy and cache, and
// how the database for claims is reached. Every key is always there, with its
// default, so that policies need not ask; only the two other blocks are absent where
// there is none. policies/schemas/aws_iid_config.json describes it.
func (c awsIIDConfig) policyConfig() map[string]any {
	config := map[string]any{
		"partition":                          c.Partition,
		"assume_role":                        c.AssumeRole,
		"skip_block_device":                  c.SkipBlockDevice,
		"disable_instance_profile_selectors": c.DisableInstanceProfileSelectors,
		"account_ids_for_local_validation":   list(c.AccountIDsForLocalValidation),
		"agent_path_template":                c.AgentPathTemplate,
		"identity_document_certificates":     c.IdentityDocumentCertificates,
		"cloud_timeout":                      c.CloudTimeout.String(),
		"allowed_account_ids":                list(c.AllowedAccountIDs),
		"enforcement":                        object(c.Enforcement),
		"claims":                             c.Claims.policyConfig(),
	}
	if o := c.VerifyOrganization; o != nil {
		config["verify_organization"] = map[string]any{
			"management_account_id":     o.ManagementAccountID,
			"management_account_region": o.ManagementAccountRegion,
			"assume_org_role":           o.AssumeOrgRole,
			"org_account_map_ttl":       o.OrgAccountMapTTL.String(),
			"account_list_file":         o.AccountListFile,
		}
	}
	if e := c.ValidateEKSClusterMembership; e != nil {
		config["validate_eks_cluster_membership"] = map[string]any{
			"eks_cluster_names": list(e.ClusterNames),
		}
	}
	return config
}
