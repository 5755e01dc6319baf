package awsiid

import (
	iamtypes "github.com/aws/aws-sdk-go-v2/service/iam/types"
	orgtypes "github.com/aws/aws-sdk-go-v2/service/organizations/types"
)

// convertProfile makes the fact of a profile, of which ARN and name are known.
func convertProfile(in *iamtypes.InstanceProfile, arn, name string) (InstanceProfile, error) {
	var c converter
	c.bound("roles", len(in.Roles), maxRoles)
	out := InstanceProfile{ARN: arn, Name: name, Roles: make([]Role, 0, len(in.Roles))}
	for _, role := range in.Roles {
		out.Roles = append(out.Roles, Role{ARN: c.text(role.Arn), Name: c.text(role.RoleName)})
	}
	return out, c.err
}

// convertAccount makes the fact of an account in the organization.
func convertAccount(in orgtypes.Account, management string) (Organization, error) {
	var c converter
	c.bound("paths of an account", len(in.Paths), maxPaths)
	for _, path := range in.Paths {
		c.text(&path)
	}
	return Organization{
		AccountID:           c.text(in.Id),
		State:               enum(&c, in.State),
		Status:              enum(&c, in.Status),
		Source:              SourceOrganizations,
		ManagementAccountID: management,
		Name:                c.text(in.Name),
		JoinedTime:          instant(in.JoinedTimestamp),
		Paths:               in.Paths,
	}, c.err
}
