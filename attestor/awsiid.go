package attestor

import (
	"context"
	"time"

	"github.com/spire-gatehouse/gatehouse/attestor/agentpath"
	"github.com/spire-gatehouse/gatehouse/attestor/plugindata"
	"github.com/spire-gatehouse/gatehouse/evidence/awsiid"
)

// buildAWSIIDPlugin makes the aws_iid collector of its plugin_data. It reads the
// files that the configuration names, and calls nobody.
func buildAWSIIDPlugin(ctx context.Context, text string, h host) (built, []plugindata.Problem) {
	o := plugindata.Parse(text)
	config := decodeAWSIID(o, h.env)
	certificates, err := certificatesOf(config.IdentityDocumentCertificates)
	if err != nil {
		o.Problem("identity_document_certificates", "%v", err)
	}
	if file := config.accountListFile(); file != "" {
		if err := awsiid.CheckAccountList(file); err != nil {
			organization, _ := o.Object("verify_organization")
			organization.Problem("account_list_file", "%v", err)
		}
	}
	if problems := o.Problems(); len(problems) > 0 {
		return built{}, problems
	}
	clients, err := awsiid.NewSDKClients(ctx, awsiid.Credentials{
		AccessKeyID:     config.AccessKeyID.reveal(),
		SecretAccessKey: config.SecretAccessKey.reveal(),
		SessionToken:    config.SessionToken.reveal(),
	})
	if err != nil {
		return built{}, []plugindata.Problem{{Msg: err.Error()}}
	}
	collector, err := awsiid.New(config.collectorOptions(certificates, clients, h.now))
	if err != nil {
		return built{}, []plugindata.Problem{{Msg: err.Error()}}
	}
	template, err := config.pathTemplate()
	if err != nil {
		return built{}, []plugindata.Problem{{Key: "agent_path_template", Msg: err.Error()}}
	}
	result := built{collector: collector, policyConfig: config.policyConfig(), policy: config.Policy, shadow: config.Shadow, decisionLog: config.DecisionLog, claims: config.Claims, limits: config.Limits, cloudTimeout: config.CloudTimeout}
	result.release = func() { collector.Close(); clients.Close() }
	if config.AssumeRole != "" && len(config.AllowedAccountIDs) == 0 && config.VerifyOrganization == nil {
		result.warnings = append(result.warnings, "assume_role: without allowed_account_ids or verify_organization the evidence chooses whose role is assumed: nodes get in of every AWS account that has a role of that name which trusts this server")
	}
	if template != nil && template.NeedsTags() {
		result.warnings = append(result.warnings, "agent_path_template: with tags in it, who may change an instance's tags may have it attest again as another agent")
	}
	result.renderAWS(template)
	return result, nil
}

// collectorOptions are what the configuration says to the collector.
func (c awsIIDConfig) collectorOptions(certificates *awsiid.Certificates, clients awsiid.Clients, now func() time.Time) awsiid.Options {
	options := awsiid.Options{
		Certificates: certificates,
		Clients:      clients,
		Partition:    c.Partition,
		AssumeRole:   c.AssumeRole,
		Lifetimes:    c.Lifetimes,
		Now:          now,
	}
	if o := c.VerifyOrganization; o != nil {
		options.Organization = &awsiid.OrganizationOptions{
			ManagementAccountID: o.ManagementAccountID,
			Region:              o.ManagementAccountRegion,
			Role:                o.AssumeOrgRole,
			AccountListFile:     o.AccountListFile,
			TTL:                 o.OrgAccountMapTTL,
		}
	}
	if e := c.ValidateEKSClusterMembership; e != nil {
		options.EKSClusters = e.ClusterNames
	}
	return options
}

// accountListFile is the file with the accounts of the organization; empty for none.
func (c awsIIDConfig) accountListFile() string {
	if c.VerifyOrganization == nil {
		return ""
	}
	return c.VerifyOrganization.AccountListFile
}

// renderAWS has agent paths rendered by a template, if there is one.
func (b *built) renderAWS(template *agentpath.Template) {
	if template == nil {
		return
	}
	b.agentPath = func(claims any, facts map[string]any) (string, error) { return awsAgentPath(template, claims, facts) }
	if template.NeedsTags() {
		b.templateFact = agentpath.TagsFact
	}
}

// awsAgentPath renders agent_path_template; an empty path means that the
// template needs tags, which are not known yet.
func awsAgentPath(template *agentpath.Template, claims any, facts map[string]any) (string, error) {
	fields := agentpath.Fields{Values: awsPathValues(claims.(awsiid.Claims))}
	if template.NeedsTags() {
		instance, ok := facts[agentpath.TagsFact].(awsiid.Instance)
		if !ok {
			return "", nil
		}
		fields.Tags = instance.Tags
	}
	return template.Render(fields)
}

func certificatesOf(dir string) (*awsiid.Certificates, error) {
	if dir == "" {
		return awsiid.EmbeddedCertificates()
	}
	return awsiid.LoadCertificates(dir)
}
