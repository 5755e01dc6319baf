package attestor

import (
	"regexp"
	"slices"
	"strings"

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

var (
	accountIDPattern = regexp.MustCompile(`^[0-9]{12}$`)

	// regionPattern covers us-east-1 as well as us-gov-west-1, us-isob-east-1
	// and eusc-de-east-1.
	regionPattern = regexp.MustCompile(`^[a-z]{2,8}(-[a-z]{2,12}){1,3}-[0-9]{1,2}$`)

	// roleNamePattern and rolePathPattern are IAM's, for CreateRole:
	// https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateRole.html
	roleNamePattern = regexp.MustCompile(`^[\w+=,.@-]{1,64}$`)
	rolePathPattern = regexp.MustCompile(`^[!-~]{1,510}$`)

	// clusterNamePattern is EKS's, for CreateCluster:
	// https://docs.aws.amazon.com/eks/latest/APIReference/API_CreateCluster.html
	clusterNamePattern = regexp.MustCompile(`^[0-9A-Za-z][0-9A-Za-z_-]{0,99}$`)
)

func isAccountID(text string) bool   { return accountIDPattern.MatchString(text) }
func isRegion(text string) bool      { return regionPattern.MatchString(text) }
func isClusterName(text string) bool { return clusterNamePattern.MatchString(text) }

// isRoleName says whether text can stand behind ":role/" in a role's ARN: a name,
// or a path and a name.
func isRoleName(text string) bool {
	path, name := "", text
	if i := strings.LastIndexByte(text, '/'); i >= 0 {
		path, name = text[:i], text[i+1:]
		if !rolePathPattern.MatchString(path) || slices.Contains(strings.Split(path, "/"), "") {
			return false
		}
	}
	return roleNamePattern.MatchString(name) && !strings.HasPrefix(path, "arn:")
}

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
	return names(o, key, isAccountID, accountIDWanted)
}
