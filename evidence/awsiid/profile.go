package awsiid

import (
	"context"
	"fmt"
	"regexp"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/arn"
	"github.com/aws/aws-sdk-go-v2/service/iam"
)

// A profileKey is what the content of an instance profile depends on.
type profileKey struct {
	scope Scope
	arn   string
}

// profileNamePattern is IAM's, for CreateInstanceProfile:
// https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateInstanceProfile.html
var profileNamePattern = regexp.MustCompile(`^[\w+=,.@-]{1,128}$`)

// instanceProfile gathers the fact "instance_profile": that of the instance's
// profile as EC2 names it, absent if it has none. One that had no roles when another
// node asked may have some now.
func (g *gathering) instanceProfile(ctx context.Context) (any, error) {
	instance, err := g.instance()
	if err != nil {
		return nil, err
	}
	if instance.InstanceProfileARN == "" {
		return nil, errAbsent
	}
	key := profileKey{g.scope, instance.InstanceProfileARN}
	if _, err := key.name(); err != nil {
		return nil, err
	}
	return g.collector.profiles.Ask(ctx, key, func(profile InstanceProfile) bool { return len(profile.Roles) > 0 })
}

// name returns the name of a profile: the last element of its ARN, after a path
// that it may have. The profile must be of the scope's account, where IAM is
// asked for it by this name.
func (k profileKey) name() (string, error) {
	parsed, err := arn.Parse(k.arn)
	if err != nil {
		return "", fmt.Errorf("instance profile %.256q: %w", k.arn, err)
	}
	path, ok := strings.CutPrefix(parsed.Resource, "instance-profile/")
	name := path[strings.LastIndexByte(path, '/')+1:]
	switch {
	case parsed.Service != "iam" || !ok || !profileNamePattern.MatchString(name):
		return "", fmt.Errorf("%.256q is not the ARN of an instance profile", k.arn)
	case parsed.AccountID != k.scope.AccountID:
		return "", fmt.Errorf("instance profile %.256q is not of account %s", k.arn, k.scope.AccountID)
	}
	return name, nil
}

// loadProfile asks IAM for a profile, and makes sure that the answer is about it.
// That IAM doesn't know one that EC2 names is no answer: it may not know it yet.
func (c *Collector) loadProfile(ctx context.Context, key profileKey) (InstanceProfile, error) {
	name, err := key.name()
	if err != nil {
		return InstanceProfile{}, err
	}
	fail := func(err error) (InstanceProfile, error) {
		return InstanceProfile{}, failed("iam:GetInstanceProfile", name, key.scope, err)
	}
	client, err := c.clients.IAM(ctx, key.scope)
	if err != nil {
		return fail(err)
	}
	out, err := client.GetInstanceProfile(ctx, &iam.GetInstanceProfileInput{InstanceProfileName: &name})
	switch {
	case err != nil:
		return fail(err)
	case out == nil || out.InstanceProfile == nil:
		return fail(errEmptyAnswer)
	}
	if got := aws.ToString(out.InstanceProfile.Arn); got != "" && got != key.arn {
		return fail(fmt.Errorf("the answer is about another profile, %.256q", got))
	}
	profile, err := convertProfile(out.InstanceProfile, key.arn, name)
	if err != nil {
		return fail(fmt.Errorf("the answer has %w", err))
	}
	return profile, nil
}
