package attestor

import (
	"slices"
	"time"

	"github.com/spire-gatehouse/gatehouse/attestor/plugindata"
	"github.com/spire-gatehouse/gatehouse/evidence/awsiid"
)

// awsIIDConfig is the plugin_data of aws_iid, checked and with defaults filled in.
//
// Fields are exported for fmt's sake alone: it asks only exported fields how they
// want to be printed, and two of these are secrets.
type awsIIDConfig struct {
	Partition string

	// AccessKeyID and SecretAccessKey are both set or both not. SessionToken goes
	// with them when they come from the environment.
	AccessKeyID     secret
	SecretAccessKey secret
	SessionToken    secret

	// AssumeRole is a role's name, with its path if it has one; empty for none.
	AssumeRole string

	SkipBlockDevice                 bool
	DisableInstanceProfileSelectors bool
	AccountIDsForLocalValidation    []string
	AgentPathTemplate               string // empty for none: the baseline's path is the built-in's

	// VerifyOrganization and ValidateEKSClusterMembership are nil when there is
	// no such block.
	VerifyOrganization           *organizationConfig
	ValidateEKSClusterMembership *eksConfig

	// IdentityDocumentCertificates is a directory; empty for none.
	IdentityDocumentCertificates string

	// CloudTimeout is for all of one attestation's cloud calls.
	CloudTimeout time.Duration

	// AllowedAccountIDs lists the only accounts to let in; empty for no such list.
	AllowedAccountIDs []string

	// Enforcement has "deny", "warn" or "off" for rules.
	Enforcement map[string]string

	// Lifetimes are how old answers of AWS may be.
	Lifetimes awsiid.Lifetimes

	// Policy is where policy comes from.
	Policy policySource

	// Shadow is where the shadow policy comes from; nil for none.
	Shadow *policySource

	// DecisionLog is where decisions are written to.
	DecisionLog decisionLogConfig

	// Claims say how attestations of one node are kept apart.
	Claims claimsConfig

	// Limits bound the work taken on at a time.
	Limits limits
}

// organizationConfig says which accounts are in the organization: those that the
// management account lists, or those in a file. One of ManagementAccountID and
// AccountListFile is set.
type organizationConfig struct {
	ManagementAccountID     string
	ManagementAccountRegion string
	AssumeOrgRole           string
	OrgAccountMapTTL        time.Duration
	AccountListFile         string
}

// eksConfig names the clusters to which nodes must belong; there is at least one.
type eksConfig struct {
	ClusterNames []string
}

const (
	defaultAWSPartition      = "aws"
	defaultManagementRegion  = "us-west-2"
	defaultOrgAccountMapTTL  = 3 * time.Minute
	accessKeyIDVariable      = "AWS_ACCESS_KEY_ID"
	secretAccessKeyVariable  = "AWS_SECRET_ACCESS_KEY"
	sessionTokenVariable     = "AWS_SESSION_TOKEN"
	awsPartitionsDescription = "aws, aws-cn, aws-us-gov, aws-iso, aws-iso-b, aws-iso-e, aws-iso-f or aws-eusc"
)

// decodeAWSIID makes the configuration of an object, to which it reports everything
// that is wrong; then the configuration is of no use. It reads no files and calls
// nobody: whether a directory or file that it names can be read is for the caller
// to find out.
//
// An empty string means the same as no key, as for SPIRE's built-in plugin.
func decodeAWSIID(o *plugindata.Object, env func(string) string) awsIIDConfig {
	c := awsIIDConfig{
		Partition:                    textOr(o, "partition", defaultAWSPartition),
		AssumeRole:                   textOr(o, "assume_role", ""),
		AgentPathTemplate:            textOr(o, "agent_path_template", ""),
		IdentityDocumentCertificates: textOr(o, "identity_document_certificates", ""),
		CloudTimeout:                 cloudTimeout(o),
		AccountIDsForLocalValidation: accountIDs(o, "account_ids_for_local_validation"),
		AllowedAccountIDs:            accountIDs(o, "allowed_account_ids"),
		Enforcement:                  enforcement(o),
		Lifetimes:                    awsLifetimes(o),
		Policy:                       buildPolicySource(o),
		Shadow:                       buildShadowSource(o),
		DecisionLog:                  decodeDecisionLog(o),
		Claims:                       buildClaims(o),
		Limits:                       buildLimits(o),
		VerifyOrganization:           buildOrganization(o),
		ValidateEKSClusterMembership: buildEKS(o),
	}
	c.SkipBlockDevice, _ = o.Bool("skip_block_device")
	c.DisableInstanceProfileSelectors, _ = o.Bool("disable_instance_profile_selectors")
	c.credentials(o, env)

	if !slices.Contains(awsiid.Partitions(), c.Partition) {
		o.Problem("partition", "must be %s", awsPartitionsDescription)
	}
	if c.AssumeRole != "" && !awsiid.IsRoleName(c.AssumeRole) {
		o.Problem("assume_role", roleNameWanted)
	}
	if _, err := c.pathTemplate(); err != nil {
		o.Problem("agent_path_template", "%v", err)
	}
	if c.AllowedAccountIDs != nil && len(c.AllowedAccountIDs) == 0 {
		o.Problem("allowed_account_ids", "is empty, which would let no account in; remove it to let in all")
	}
	return c
}

// credentials takes the static credentials, each key from plugin_data or else
// from the environment.
func (c *awsIIDConfig) credentials(o *plugindata.Object, env func(string) string) {
	keyID, secretKey := textOr(o, "access_key_id", ""), textOr(o, "secret_access_key", "")
	if keyID == "" && secretKey == "" {
		// Temporary credentials are worth nothing without their token.
		c.SessionToken = newSecret(env(sessionTokenVariable))
	}
	if keyID == "" {
		keyID = env(accessKeyIDVariable)
	}
	if secretKey == "" {
		secretKey = env(secretAccessKeyVariable)
	}
	switch {
	case keyID == "" && secretKey == "":
		c.SessionToken = secret{}
	case secretKey == "":
		o.Problem("secret_access_key", "is missing, here and in %s, while there is an access key ID; set both or neither", secretAccessKeyVariable)
	case keyID == "":
		o.Problem("access_key_id", "is missing, here and in %s, while there is a secret access key; set both or neither", accessKeyIDVariable)
	}
	c.AccessKeyID, c.SecretAccessKey = newSecret(keyID), newSecret(secretKey)
}

// buildOrganization reads the block verify_organization.
func buildOrganization(o *plugindata.Object) *organizationConfig {
	block, ok := o.Object("verify_organization")
	if !ok {
		return nil
	}
	c := &organizationConfig{
		ManagementAccountID:     textOr(block, "management_account_id", ""),
		ManagementAccountRegion: textOr(block, "management_account_region", ""),
		AssumeOrgRole:           textOr(block, "assume_org_role", ""),
		AccountListFile:         textOr(block, "account_list_file", ""),
		OrgAccountMapTTL:        defaultOrgAccountMapTTL,
	}
	if ttl, ok := block.Duration("org_account_map_ttl"); ok {
		c.OrgAccountMapTTL = ttl
		if ttl < minOrgAccountMapTTL {
			block.Problem("org_account_map_ttl", "must be at least 1m; the default is 3m")
		}
	}
	for _, key := range []string{"management_account_id", "assume_org_role"} {
		switch {
		case c.AccountListFile == "" && lacks(block, key):
			block.Problem(key, "is missing: verify_organization needs it, or account_list_file; to verify no organization remove the block")
		case c.AccountListFile != "" && textOr(block, key, "") != "":
			block.Problem(key, "excludes account_list_file: the accounts come from a file or from Organizations")
		}
	}
	if c.AccountListFile == "" && c.ManagementAccountRegion == "" {
		c.ManagementAccountRegion = defaultManagementRegion
	}
	if c.ManagementAccountID != "" && !awsiid.IsAccountID(c.ManagementAccountID) {
		block.Problem("management_account_id", accountIDWanted)
	}
	if c.ManagementAccountRegion != "" && !awsiid.IsRegion(c.ManagementAccountRegion) {
		block.Problem("management_account_region", `is no AWS region, such as "us-west-2"`)
	}
	if c.AssumeOrgRole != "" && !awsiid.IsRoleName(c.AssumeOrgRole) {
		block.Problem("assume_org_role", roleNameWanted)
	}
	return c
}

// buildEKS reads the block validate_eks_cluster_membership.
func buildEKS(o *plugindata.Object) *eksConfig {
	block, ok := o.Object("validate_eks_cluster_membership")
	if !ok {
		return nil
	}
	clusters := names(block, "eks_cluster_names", awsiid.IsClusterName, clusterNameWanted)
	switch {
	case !block.Has("eks_cluster_names"):
		block.Problem("eks_cluster_names", "is missing: name the clusters; to ask for no cluster remove the block validate_eks_cluster_membership")
	case clusters != nil && len(clusters) == 0:
		block.Problem("eks_cluster_names", "is empty, which would let no node in; to ask for no cluster remove the block validate_eks_cluster_membership")
	case len(clusters) > awsiid.MaxClusters:
		block.Problem("eks_cluster_names", "must not name more than %d clusters", awsiid.MaxClusters)
	}
	return &eksConfig{ClusterNames: clusters}
}
