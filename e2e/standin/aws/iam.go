package aws

import (
	"context"
	"encoding/xml"
	"net/http"
	"regexp"
)

// A Profile is an instance profile. AWS allows one role in it; the API can
// answer several.
type Profile struct {
	Name  string
	Path  string // "/" when empty
	Roles []ProfileRole
}

// ProfileRole is a role in a profile.
type ProfileRole struct {
	Name string
	Path string // "/" when empty

	// NoARN leaves the ARN out of the answer.
	NoARN bool
}

// PutProfile adds or replaces an instance profile of the account.
func (w *World) PutProfile(accountID string, profile Profile) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.account(accountID).profiles[profile.Name] = profile
}

// ARN is that of the profile in an account, in the partition of a region.
func (p Profile) ARN(region, accountID string) string {
	return arn(region, "iam", accountID, "instance-profile"+pathOr(p.Path)+p.Name)
}

func pathOr(path string) string {
	if path == "" {
		return "/"
	}
	return path
}

// profile finds an instance profile.
func (w *World) profile(accountID, name string) (Profile, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	profile, ok := w.account(accountID).profiles[name]
	return profile, ok
}

// iam is Identity and Access Management.
func iam() *service {
	return &service{
		name:      "iam",
		protocol:  query{version: "2010-05-08", namespace: "https://iam.amazonaws.com/doc/2010-05-08/"},
		authError: commonAuthError,
		denied: func(caller, action string) *Error {
			return accessDenied(caller, action, "*")
		},
		actions: map[string]action{"GetInstanceProfile": getInstanceProfile},
	}
}

var profileName = regexp.MustCompile(`^[\w+=,.@-]{1,128}$`)

type getInstanceProfileResponse struct {
	XMLName xml.Name    `xml:"https://iam.amazonaws.com/doc/2010-05-08/ GetInstanceProfileResponse"`
	Profile profileXML  `xml:"GetInstanceProfileResult>InstanceProfile"`
	ID      requestMeta `xml:"ResponseMetadata"`
}

type requestMeta struct {
	RequestID string `xml:"RequestId"`
}

type profileXML struct {
	Name    string    `xml:"InstanceProfileName"`
	ID      string    `xml:"InstanceProfileId"`
	ARN     string    `xml:"Arn"`
	Path    string    `xml:"Path"`
	Created string    `xml:"CreateDate"`
	Roles   []roleXML `xml:"Roles>member"`
}

type roleXML struct {
	Name    string `xml:"RoleName"`
	ID      string `xml:"RoleId"`
	ARN     string `xml:"Arn,omitempty"`
	Path    string `xml:"Path"`
	Created string `xml:"CreateDate"`
}

// created is when all profiles and roles were made.
const created = "2024-01-02T03:04:05Z"

func getInstanceProfile(_ context.Context, world *World, req request) (any, *Error) {
	name := req.params.take("InstanceProfileName")
	if err := req.params.finish(); err != nil {
		return nil, err
	}
	if !profileName.MatchString(name) {
		return nil, badRequest("ValidationError", "The specified value for instanceProfileName is invalid. It must contain only alphanumeric characters and/or the following: +=,.@_-")
	}
	profile, ok := world.profile(req.caller.account, name)
	if !ok {
		return nil, &Error{Status: http.StatusNotFound, Code: "NoSuchEntity", Message: "Instance Profile " + name + " cannot be found."}
	}
	response := getInstanceProfileResponse{ID: requestMeta{req.id}, Profile: profileXML{
		Name: profile.Name, ID: "AIPA" + randomText(10), ARN: profile.ARN(req.region, req.caller.account), Path: pathOr(profile.Path), Created: created,
	}}
	for _, role := range profile.Roles {
		answer := roleXML{Name: role.Name, ID: "AROA" + randomText(10), Path: pathOr(role.Path), Created: created}
		if !role.NoARN {
			answer.ARN = arn(req.region, "iam", req.caller.account, "role"+answer.Path+role.Name)
		}
		response.Profile.Roles = append(response.Profile.Roles, answer)
	}
	return response, nil
}
