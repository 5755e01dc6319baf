package awsiid

import (
	"regexp"
	"slices"
	"strings"
)

var (
	accountPattern = regexp.MustCompile(`^[0-9]{12}$`)

	roleNamePattern = regexp.MustCompile(`^[\w+=,.@-]{1,64}$`)
	rolePathPattern = regexp.MustCompile(`^[!-~]{1,510}$`) // without the slashes around it

	clusterPattern = regexp.MustCompile(`^[0-9A-Za-z][0-9A-Za-z_-]{0,99}$`)
)

// IsAccountID reports whether text is an AWS account's ID, 12 digits:
// https://docs.aws.amazon.com/accounts/latest/reference/manage-acct-identifiers.html
func IsAccountID(text string) bool { return accountPattern.MatchString(text) }

// IsRoleName reports whether text can stand behind ":role/" in a role's ARN: a name,
// or a path and a name, such as "spire" and "path/spire". An ARN is neither. Both
// are as IAM wants them for CreateRole:
// https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateRole.html
func IsRoleName(text string) bool {
	name := text
	if i := strings.LastIndexByte(text, '/'); i >= 0 {
		path := text[:i]
		name = text[i+1:]
		if !rolePathPattern.MatchString(path) || slices.Contains(strings.Split(path, "/"), "") || strings.HasPrefix(path, "arn:") {
			return false
		}
	}
	return roleNamePattern.MatchString(name)
}

// IsClusterName reports whether text is the name of an EKS cluster, as EKS wants it
// for CreateCluster:
// https://docs.aws.amazon.com/eks/latest/APIReference/API_CreateCluster.html
func IsClusterName(text string) bool { return clusterPattern.MatchString(text) }
