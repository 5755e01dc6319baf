package awsiid

import (
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	"github.com/aws/aws-sdk-go-v2/service/sts"
)

const (
	// sessionName is what CloudTrail shows of the server in an account whose
	// role it assumed.
	sessionName = "gatehouse"

	// expiryWindow is how long before their end credentials are renewed.
	expiryWindow = time.Minute
)

// A role is one that was assumed, and in which region.
type role struct{ arn, region string }

// configOf returns the SDK's configuration for a scope. The caller holds s.mu.
func (s *SDKClients) configOf(scope Scope) aws.Config {
	config := s.config.Copy()
	config.Region = scope.Region
	if scope.Role != "" {
		config.Credentials = s.assume(scope)
	}
	config.APIOptions = append(slices.Clip(config.APIOptions), noteAttempts(scope), reportCalls)
	return config
}

// assume returns the credentials of a scope's role, which are shared by all its
// regions. They are got with the server's own, when first needed, and renewed when
// they are about to end. The caller holds s.mu.
func (s *SDKClients) assume(scope Scope) aws.CredentialsProvider {
	key := role{arn: scope.roleARN(), region: s.stsRegion(scope)}
	if known, ok := s.roles.Get(key); ok {
		return known
	}
	config := s.config.Copy()
	config.Region = key.region
	config.APIOptions = append(slices.Clip(config.APIOptions), noteAttempts(scope), reportCalls)
	provider := stscreds.NewAssumeRoleProvider(sts.NewFromConfig(config), key.arn, func(o *stscreds.AssumeRoleOptions) {
		o.RoleSessionName = sessionName
	})
	cached := aws.NewCredentialsCache(provider, func(o *aws.CredentialsCacheOptions) { o.ExpiryWindow = expiryWindow })
	s.roles.Add(key, cached)
	return cached
}

// stsRegion is where a scope's role is assumed: in the server's own region, which
// is near, enabled for it, and gives credentials that are good in all regions of
// the partition. A server that doesn't know its region (AWS_REGION, or a shared
// file) or that is in another partition takes the region of the calls, so that one
// region's outage stays there.
func (s *SDKClients) stsRegion(scope Scope) string {
	own, ok := partitionOf(s.config.Region)
	if of, _ := partitionOf(scope.Region); ok && own == of {
		return s.config.Region
	}
	return scope.Region
}
