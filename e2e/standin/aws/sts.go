package aws

import (
	"context"
	"crypto/rand"
	"encoding/base32"
	"encoding/base64"
	"encoding/xml"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"time"
)

const stsNamespace = "https://sts.amazonaws.com/doc/2011-06-15/"

// sts is the Security Token Service.
func sts() *service {
	return &service{
		name:      "sts",
		protocol:  query{version: "2011-06-15", namespace: stsNamespace},
		authError: commonAuthError,
		denied: func(caller, action string) *Error {
			return accessDenied(caller, action, "*")
		},
		actions: map[string]action{"AssumeRole": assumeRole, "GetCallerIdentity": callerIdentity},
	}
}

func accessDenied(caller, action, resource string) *Error {
	return &Error{Status: http.StatusForbidden, Code: "AccessDenied",
		Message: "User: " + caller + " is not authorized to perform: " + action + " on resource: " + resource}
}

var (
	roleARN     = regexp.MustCompile(`^arn:([a-z-]+):iam::([0-9]{12}):role(/|/[\x21-\x7e]+/)([\w+=,.@-]{1,64})$`)
	sessionName = regexp.MustCompile(`^[\w+=,.@-]{2,64}$`)
)

const (
	minSession     = 900
	maxSession     = 43200
	defaultSession = 3600
)

type assumeRoleResponse struct {
	XMLName xml.Name `xml:"https://sts.amazonaws.com/doc/2011-06-15/ AssumeRoleResponse"`
	Result  struct {
		AssumedRoleUser struct {
			ARN string `xml:"Arn"`
			ID  string `xml:"AssumedRoleId"`
		}
		Credentials struct {
			AccessKeyID     string `xml:"AccessKeyId"`
			SecretAccessKey string
			SessionToken    string
			Expiration      string
		}
	} `xml:"AssumeRoleResult"`
	RequestID string `xml:"ResponseMetadata>RequestId"`
}

func assumeRole(_ context.Context, world *World, req request) (any, *Error) {
	wanted, session := req.params.take("RoleArn"), req.params.take("RoleSessionName")
	externalID, lifetime := req.params.take("ExternalId"), req.params.take("DurationSeconds")
	if err := req.params.finish(); err != nil {
		return nil, err
	}
	parts := roleARN.FindStringSubmatch(wanted)
	if parts == nil {
		return nil, badRequest("ValidationError", wanted+" is invalid")
	}
	if parts[1] != partition(req.region) {
		return nil, badRequest("ValidationError", "Request ARN is invalid")
	}
	if !sessionName.MatchString(session) {
		return nil, badRequest("ValidationError", "1 validation error detected: Value '"+session+"' at 'roleSessionName' failed to satisfy constraint: Member must satisfy regular expression pattern: [\\w+=,.@-]*")
	}
	seconds := defaultSession
	if lifetime != "" {
		n, err := strconv.Atoi(lifetime)
		if err != nil || n < minSession || n > maxSession {
			return nil, badRequest("ValidationError", "Value '"+lifetime+"' at 'durationSeconds' failed to satisfy constraint")
		}
		seconds = n
	}
	account, path, name := parts[2], parts[3], parts[4]
	// A missing role and one that does not trust the caller look the same.
	role, err := world.role(account, path, name)
	if err != nil || !slices.Contains(role.TrustedAccounts, req.caller.account) || role.ExternalID != "" && role.ExternalID != externalID {
		return nil, accessDenied(req.caller.arn(req.region), "sts:AssumeRole", wanted)
	}
	key := accessKey{
		id: "ASIA" + randomText(10), secret: randomSecret(), session: randomSecret(),
		expires: world.now().Add(time.Duration(seconds) * time.Second),
		account: account, actions: role.Actions, partition: partition(req.region),
		service: "sts", resource: "assumed-role/" + name + "/" + session,
	}
	world.addKey(key)

	response := assumeRoleResponse{RequestID: req.id}
	response.Result.AssumedRoleUser.ARN = key.arn(req.region)
	response.Result.AssumedRoleUser.ID = "AROA" + randomText(10) + ":" + session
	response.Result.Credentials.AccessKeyID = key.id
	response.Result.Credentials.SecretAccessKey = key.secret
	response.Result.Credentials.SessionToken = key.session
	response.Result.Credentials.Expiration = timestamp(key.expires)
	return response, nil
}

type callerIdentityResponse struct {
	XMLName xml.Name `xml:"https://sts.amazonaws.com/doc/2011-06-15/ GetCallerIdentityResponse"`
	Result  struct {
		ARN     string `xml:"Arn"`
		UserID  string `xml:"UserId"`
		Account string
	} `xml:"GetCallerIdentityResult"`
	RequestID string `xml:"ResponseMetadata>RequestId"`
}

func callerIdentity(_ context.Context, _ *World, req request) (any, *Error) {
	if err := req.params.finish(); err != nil {
		return nil, err
	}
	response := callerIdentityResponse{RequestID: req.id}
	response.Result.ARN, response.Result.UserID, response.Result.Account = req.caller.arn(req.region), req.caller.id, req.caller.account
	return response, nil
}

// randomText makes the upper-case text of IDs, 8 characters from 5 bytes.
func randomText(bytes int) string {
	b := make([]byte, bytes)
	rand.Read(b) // never fails, by its contract
	return base32.StdEncoding.EncodeToString(b)
}

func randomSecret() string {
	b := make([]byte, 30)
	rand.Read(b) // never fails, by its contract
	return base64.StdEncoding.EncodeToString(b)
}
