package attestor

import (
	"github.com/spire-gatehouse/gatehouse/attestor/agentpath"
	"github.com/spire-gatehouse/gatehouse/attestor/plugindata"
	"github.com/spire-gatehouse/gatehouse/evidence/awsiid"
)

// What the checks below want, as problems say it.
const (
	accountIDWanted   = "must be an account ID of 12 digits"
	roleNameWanted    = `must be a role's name, such as "spire" or "path/spire", not an ARN: letters, digits and +=,.@_-, up to 64`
	clusterNameWanted = "must be an EKS cluster's name: letters, digits, - and _, up to 100, the first a letter or digit"
)

// pathTemplate parses agent_path_template, and tries it with an imaginary node;
// nil when there is none. Its errors show parts of the template, which is no place
// for secrets.
func (c awsIIDConfig) pathTemplate() (*agentpath.Template, error) {
	return pathTemplate(c.AgentPathTemplate, "aws_iid", "InstanceID", awsPathValues(awsiid.Claims{
		AccountID:  "123456789012",
		Region:     "us-west-2",
		InstanceID: "i-0123456789abcdef0",
	}))
}

// awsPathValues are the fields that a template sees, as SPIRE's built-in names
// them.
func awsPathValues(claims awsiid.Claims) map[string]string {
	return map[string]string{
		"AccountID":  claims.AccountID,
		"Region":     claims.Region,
		"InstanceID": claims.InstanceID,
	}
}

// accountIDs reads a list of account IDs.
func accountIDs(o *plugindata.Object, key string) []string {
	return names(o, key, awsiid.IsAccountID, accountIDWanted)
}
