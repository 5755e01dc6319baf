package aws

import "strings"

// partition is the partition that a region is in. Accounts, users and roles of
// one partition do not exist in another; this stand-in's users are the exception.
func partition(region string) string {
	for _, p := range []struct{ prefix, name string }{
		{"cn-", "aws-cn"},
		{"us-gov-", "aws-us-gov"},
		{"us-iso-", "aws-iso"},
		{"us-isob-", "aws-iso-b"},
		{"eu-isoe-", "aws-iso-e"},
		{"us-isof-", "aws-iso-f"},
		{"eu-isof-", "aws-iso-f"},
		{"eusc-", "aws-eusc"},
	} {
		if strings.HasPrefix(region, p.prefix) {
			return p.name
		}
	}
	return "aws"
}

// arn names a resource of an account in the partition of a region. Those that
// are global, IAM's and STS's, have no region in their names.
func arn(region, service, accountID, resource string) string {
	return "arn:" + partition(region) + ":" + service + "::" + accountID + ":" + resource
}

// regionalARN is the same of a resource in that region.
func regionalARN(region, service, accountID, resource string) string {
	return "arn:" + partition(region) + ":" + service + ":" + region + ":" + accountID + ":" + resource
}
