package e2e_test

import (
	"fmt"
	"strings"

	"github.com/spire-gatehouse/gatehouse/e2e/standin/aws"
)

// withProfile makes the instance run with a profile of its account.
func withProfile(profile aws.Profile) func(*trial) {
	return func(tr *trial) {
		arn := profile.ARN(tr.document.Region, tr.document.AccountID)
		tr.cached = true
		tr.world.PutProfile(tr.document.AccountID, profile)
		tr.instance(func(i *aws.Instance) {
			i.InstanceProfile = &aws.InstanceProfile{ARN: arn, ID: "AIPA1"}
		})
	}
}

// profileARN makes the instance name a profile, whether there is one or not.
func profileARN(arn string) func(*trial) {
	return func(tr *trial) {
		tr.cached = true
		tr.world.PutProfile(account, aws.Profile{Name: "web", Roles: []aws.ProfileRole{{Name: "web"}}})
		tr.instance(func(i *aws.Instance) { i.InstanceProfile = &aws.InstanceProfile{ARN: arn, ID: "AIPA1"} })
	}
}

func profileDifferences() []difference {
	role := []aws.ProfileRole{{Name: "web"}}
	return []difference{
		{name: "profile with a role", set: withProfile(aws.Profile{Name: "web", Roles: role}), want: accepts, calls: true},
		{name: "profile with a path", set: withProfile(aws.Profile{Name: "web", Path: "/a/b/", Roles: role}), want: accepts},
		{name: "profile whose role has a path", set: withProfile(aws.Profile{Name: "web", Roles: []aws.ProfileRole{{Name: "web", Path: "/a/b/"}}}), want: accepts},
		{name: "profile with several roles", set: withProfile(aws.Profile{Name: "web", Roles: []aws.ProfileRole{{Name: "z"}, {Name: "a"}, {Name: "m", Path: "/p/"}}}), want: accepts},
		{name: "profile without roles", set: withProfile(aws.Profile{Name: "web"}), want: accepts},
		{name: "profile whose role has no ARN", set: withProfile(aws.Profile{Name: "web", Roles: []aws.ProfileRole{{Name: "odd", NoARN: true}, {Name: "web"}}}), want: accepts},
		{name: "profile with odd characters", set: withProfile(aws.Profile{Name: "w+e=b,.@-_", Roles: []aws.ProfileRole{{Name: "r+o=l,.@-_e"}}}), want: accepts},
		{name: "profile that is gone", set: profileARN("arn:aws:iam::123456789012:instance-profile/gone"), want: denies, says: "NoSuchEntity", rules: "outcome=unavailable"},
		{name: "profile without ARN", set: profileARN(""), want: accepts},
		{name: "profile ARN that is none", set: profileARN("web"), want: denies, says: "parse", rules: "outcome=unavailable"},
		{name: "profile ARN of a role", set: profileARN("arn:aws:iam::123456789012:role/web"), want: denies, says: "not for an instance profile", rules: "outcome=unavailable"},
		{name: "profile selectors disabled", config: `disable_instance_profile_selectors = true`, set: withProfile(aws.Profile{Name: "web", Roles: role}), want: accepts, calls: true},
		{name: "profile selectors disabled, profile gone", config: `disable_instance_profile_selectors = true`,
			set: profileARN("arn:aws:iam::123456789012:instance-profile/gone"), want: accepts},
		{name: "no profile", want: accepts, calls: true},
	}
}

// tagged gives the instance these tags and no others.
func tagged(tags ...aws.Tag) func(*trial) {
	return func(tr *trial) { tr.instance(func(i *aws.Instance) { i.Tags = tags }) }
}

func tagDifferences() []difference {
	grouped := func(groups ...aws.SecurityGroup) func(*trial) {
		return func(tr *trial) { tr.instance(func(i *aws.Instance) { i.SecurityGroups = groups }) }
	}
	var fifty []aws.Tag
	for i := range 50 {
		fifty = append(fifty, aws.Tag{Key: fmt.Sprintf("key-%02d", i), Value: strings.Repeat("v", i)})
	}
	const bad = "outcome=internal"
	return []difference{
		{name: "no tags", set: tagged(), want: accepts},
		{name: "fifty tags", set: tagged(fifty...), want: accepts},
		{name: "colons", set: tagged(aws.Tag{Key: "a:b", Value: "c"}, aws.Tag{Key: ":", Value: "::"}, aws.Tag{Key: "aws:autoscaling:groupName", Value: "x:y"}), want: accepts},
		{name: "colons that collide", set: tagged(aws.Tag{Key: "a:b", Value: "c"}, aws.Tag{Key: "a", Value: "b:c"}), want: accepts},
		{name: "empty value", set: tagged(aws.Tag{Key: "empty"}), want: accepts},
		{name: "no value", set: tagged(aws.Tag{Key: "none", NoValue: true}, aws.Tag{Key: "a", Value: "b"}), want: accepts},
		{name: "Unicode", set: tagged(aws.Tag{Key: "größe", Value: "大"}, aws.Tag{Key: "e\u0301", Value: "\u00e9"}, aws.Tag{Key: "😀", Value: "\u202e"}), want: accepts},
		{name: "twins but for case", set: tagged(aws.Tag{Key: "Env", Value: "a"}, aws.Tag{Key: "env", Value: "A"}), want: accepts},
		{name: "spaces and marks", set: tagged(aws.Tag{Key: " a b ", Value: "  "}, aws.Tag{Key: "_.:/=+-@", Value: "\"'<>&\\"}), want: accepts},
		{name: "longest that fits", set: tagged(aws.Tag{Key: strings.Repeat("k", 128), Value: strings.Repeat("v", 255-len("tag::")-128)}), want: accepts},
		{name: "one byte longer than fits", set: tagged(aws.Tag{Key: strings.Repeat("k", 128), Value: strings.Repeat("v", 256-len("tag::")-128)}), want: accepts,
			differs: "long_selectors", gatehouse: denies, rules: bad},
		{name: "longest tag", set: tagged(aws.Tag{Key: strings.Repeat("k", 128), Value: strings.Repeat("v", 256)}), want: accepts,
			differs: "long_selectors", gatehouse: denies, rules: bad},
		{name: "line end", set: tagged(aws.Tag{Key: "a", Value: "b\nc"}), want: accepts, differs: "control_characters", gatehouse: denies, rules: bad},

		{name: "several security groups", set: grouped(aws.SecurityGroup{ID: "sg-2", Name: "b"}, aws.SecurityGroup{ID: "sg-1", Name: "a"}), want: accepts},
		{name: "security groups of one name", set: grouped(aws.SecurityGroup{ID: "sg-2", Name: "a"}, aws.SecurityGroup{ID: "sg-1", Name: "a"}), want: accepts},
		{name: "no security group", set: grouped(), want: accepts},
		{name: "odd security group names", set: grouped(aws.SecurityGroup{ID: "sg-1", Name: "a: b/c"}, aws.SecurityGroup{ID: "sg-2", Name: "größe"}), want: accepts},
		{name: "security group without a name", set: grouped(aws.SecurityGroup{ID: "sg-1"}), want: accepts},
	}
}

// template is a configuration with this agent_path_template.
func template(text string) string { return fmt.Sprintf("agent_path_template = %q", text) }

func agentPathDifferences() []difference {
	const rule = "[agent_path_template]"
	env := func(value string) func(*trial) { return tagged(aws.Tag{Key: "env", Value: value}) }
	return []difference{
		{name: "default template", config: template("/{{ .PluginName }}/{{ .AccountID }}/{{ .Region }}/{{ .InstanceID }}"), want: accepts},
		{name: "template without account", config: template("/{{ .PluginName }}/{{ .InstanceID }}"), want: accepts},
		{name: "template with plain text", config: template("/aws_iid/fleet-1/{{ .InstanceID }}"), want: accepts},
		{name: "template with a tag", config: template("/{{ .PluginName }}/{{ .Tags.env }}/{{ .InstanceID }}"), set: env("prod"), want: accepts},
		{name: "template with a tag by index", config: template(`/aws_iid/{{ index .Tags "a:b" }}/{{ .InstanceID }}`), set: tagged(aws.Tag{Key: "a:b", Value: "c"}), want: accepts},
		{name: "template with a tag, unchecked block device", config: template("/aws_iid/{{ .Tags.env }}/{{ .InstanceID }}") + "\nskip_block_device = true", set: env("prod"), want: accepts},
		{name: "template with functions", config: template(`/aws_iid/{{ .Region | upper }}/{{ .InstanceID | trimPrefix "i-" }}`), want: accepts},
		{name: "template with a hash", config: template("/aws_iid/{{ sha256sum .InstanceID | trunc 40 }}"), want: accepts},
		{name: "template with a default", config: template(`/aws_iid/{{ default "none" (index .Tags "env") }}/{{ .InstanceID }}`), set: tagged(), want: accepts},
		{name: "template with a default for an empty tag", config: template(`/aws_iid/{{ default "none" .Tags.env }}/{{ .InstanceID }}`), set: env(""), want: accepts},
		{name: "template with a default that comes too late", config: template(`/aws_iid/{{ default "none" .Tags.env }}/{{ .InstanceID }}`), set: tagged(), want: denies, says: "no entry", rules: rule},
		{name: "template with a condition", config: template(`/aws_iid/{{ if eq .Region "eu-central-1" }}frankfurt{{ else }}elsewhere{{ end }}/{{ .InstanceID }}`), want: accepts},
		{name: "template, replay", config: template("/aws_iid/{{ .InstanceID }}"), set: func(tr *trial) { tr.attested("/aws_iid/" + tr.id(0)) }, want: denies, says: "already been used", rules: "[tofu]"},
		{name: "template, attested under the default", config: template("/aws_iid/{{ .InstanceID }}"), set: replayed, want: accepts},
		{name: "template with a missing tag", config: template("/aws_iid/{{ .Tags.env }}/{{ .InstanceID }}"), set: tagged(), want: denies, says: "no entry", rules: rule},
		{name: "template with a tag of no value", config: template("/aws_iid/{{ .Tags.env }}/{{ .InstanceID }}"), set: tagged(aws.Tag{Key: "env", NoValue: true}), want: denies, says: "no entry", rules: "empty segments"},
		{name: "template with a default for a tag of no value", config: template(`/aws_iid/{{ default "none" .Tags.env }}/{{ .InstanceID }}`), set: tagged(aws.Tag{Key: "env", NoValue: true}),
			want: denies, says: "no entry", differs: "tag_without_value", gatehouse: accepts},
		{name: "template with an empty tag", config: template("/aws_iid/{{ .Tags.env }}/{{ .InstanceID }}"), set: env(""), want: denies, says: "empty segments", rules: "empty segments"},
		{name: "template with a tag that no path holds", config: template("/aws_iid/{{ .Tags.env }}/{{ .InstanceID }}"), set: env("a b"), want: denies, says: "path segment characters", rules: "path segment characters"},
		{name: "template with a tag of dots", config: template("/aws_iid/{{ .Tags.env }}/{{ .InstanceID }}"), set: env(".."), want: denies, says: "dot segments", rules: "dot segments"},
		{name: "template with another field", config: template("/aws_iid/{{ .Zone }}/{{ .InstanceID }}"), want: denies, says: "Zone",
			differs: "template_rehearsed", gatehouse: refusesConfig, rules: "agent_path_template"},
		{name: "template that does not begin with a slash", config: template("aws_iid/{{ .InstanceID }}"), want: denies, says: "leading slash",
			differs: "template_rehearsed", gatehouse: refusesConfig, rules: "agent_path_template"},
		{name: "template outside the plugin's paths", config: template("/fleet/{{ .InstanceID }}"), want: accepts,
			differs: "template_namespace", gatehouse: refusesConfig, rules: "agent_path_template"},
		{name: "template with another plugin's path", config: template("/azure_msi/{{ .InstanceID }}"), want: accepts,
			differs: "template_namespace", gatehouse: refusesConfig, rules: "agent_path_template"},
		{name: "template without the instance", config: template("/aws_iid/{{ .AccountID }}"), want: accepts,
			differs: "template_identity", gatehouse: refusesConfig, rules: "agent_path_template"},
		{name: "template of a tag alone", config: template("/aws_iid/{{ .Tags.env }}"), set: env("prod"), want: accepts,
			differs: "template_identity", gatehouse: refusesConfig, rules: "agent_path_template"},
		{name: "template with a function of chance that shows nothing of it", config: template("/aws_iid/{{ .InstanceID }}/fixed-{{ uuidv4 | len }}"), want: accepts},
		{name: "template with a trust domain", config: template("/aws_iid/x{{ .TrustDomain }}/{{ .InstanceID }}"), want: accepts,
			differs: "template_trust_domain", gatehouse: refusesConfig, rules: "agent_path_template"},
		{name: "template that is never the same", config: template("/aws_iid/{{ .InstanceID }}/{{ uuidv4 }}"), want: accepts,
			differs: "template_not_repeatable", gatehouse: refusesConfig, rules: "agent_path_template"},
		{name: "template with a tag that is too long", config: template("/aws_iid/{{ .Tags.env }}/{{ .InstanceID }}"), set: env(strings.Repeat("e", 200)), want: accepts,
			differs: "long_agent_ids", gatehouse: denies, rules: "255"},
		{name: "template with a tag that has a slash", config: template("/aws_iid/{{ .Tags.env }}/{{ .InstanceID }}"), set: env("a/b"), want: accepts,
			differs: "template_slashes", gatehouse: denies, rules: rule},
	}
}

func roleDifferences() []difference {
	const assume = `assume_role = "spire"`
	there := func(role aws.Role) func(*trial) {
		return func(tr *trial) {
			tr.moveTo(otherAccount, region)
			tr.world.PutRole(otherAccount, role)
		}
	}
	trusting := aws.Role{Name: "spire", TrustedAccounts: []string{account}}
	// abroad is a node with a profile, and a role to assume, in another partition.
	abroad := func(region string) func(*trial) {
		return func(tr *trial) {
			tr.moveTo(otherAccount, region)
			tr.world.PutRole(otherAccount, trusting)
			withProfile(aws.Profile{Name: "web", Path: "/p/", Roles: []aws.ProfileRole{{Name: "web", Path: "/q/"}}})(tr)
		}
	}
	return []difference{
		{name: "role in the server's account", config: assume, set: delegate, want: accepts, calls: true},
		{name: "role in the node's account", config: assume, set: there(trusting), want: accepts, calls: true},
		{name: "role in the node's account and region", config: assume, want: accepts, set: func(tr *trial) {
			tr.moveTo(otherAccount, otherRegion)
			tr.world.PutRole(otherAccount, trusting)
		}},
		{name: "role with a path", config: `assume_role = "a/b/spire"`, set: there(aws.Role{Name: "spire", Path: "/a/b/", TrustedAccounts: []string{account}}), want: accepts},
		{name: "role with a path that the configuration lacks", config: assume, set: there(aws.Role{Name: "spire", Path: "/a/b/", TrustedAccounts: []string{account}}),
			want: denies, says: "AccessDenied", rules: "outcome=unavailable"},
		{name: "role without the path that the configuration has", config: `assume_role = "a/b/spire"`, set: there(trusting), want: denies, says: "AccessDenied", rules: "outcome=unavailable"},
		{name: "role in China", config: assume + "\npartition = \"aws-cn\"", set: abroad(chinaRegion), want: accepts, calls: true},
		{name: "role in GovCloud", config: assume + "\npartition = \"aws-us-gov\"", set: abroad(govRegion), want: accepts, calls: true},
		{name: "role with a path in China", config: "assume_role = \"a/b/spire\"\npartition = \"aws-cn\"", want: accepts, set: func(tr *trial) {
			abroad(chinaRegion)(tr)
			tr.world.PutRole(otherAccount, aws.Role{Name: "spire", Path: "/a/b/", TrustedAccounts: []string{account}})
		}},
		{name: "role and organization in GovCloud", config: assume + "\npartition = \"aws-us-gov\"\n" + organizationBlock(`management_account_region = "us-gov-west-1"`),
			want: accepts, set: func(tr *trial) { abroad(govRegion)(tr); member(tr) }},
		// The region that is the default, us-west-2, is never one of GovCloud.
		{name: "organization in GovCloud without its region", config: assume + "\npartition = \"aws-us-gov\"\n" + organizationBlock(""),
			want: denies, says: "Request ARN is invalid", rules: "fact organization", set: func(tr *trial) { abroad(govRegion)(tr); member(tr) }},
		// Gatehouse refuses a node of another partition before it asks AWS.
		{name: "role in China, by the configuration in aws", config: assume, set: abroad(chinaRegion), want: denies, says: "Request ARN is invalid", rules: "[partition]"},
		{name: "role in GovCloud, by the configuration in China", config: assume + "\npartition = \"aws-cn\"", set: abroad(govRegion), want: denies, says: "Request ARN is invalid", rules: "[partition]"},
		{name: "role in aws, by the configuration in GovCloud", config: assume + "\npartition = \"aws-us-gov\"", set: there(trusting), want: denies, says: "Request ARN is invalid", rules: "[partition]"},
		{name: "role with an instance profile", config: assume, want: accepts, set: func(tr *trial) {
			there(trusting)(tr)
			withProfile(aws.Profile{Name: "web", Roles: []aws.ProfileRole{{Name: "web"}}})(tr)
		}},
		{name: "role with least permissions", config: assume, set: there(aws.Role{Name: "spire", TrustedAccounts: []string{account}, Actions: []string{"ec2:DescribeInstances"}}), want: accepts},
		{name: "role without permissions", config: assume, set: there(aws.Role{Name: "spire", TrustedAccounts: []string{account}, Actions: []string{"iam:GetInstanceProfile"}}),
			want: denies, says: "UnauthorizedOperation", rules: "outcome=unavailable"},
		{name: "no role", config: assume, set: func(tr *trial) { tr.moveTo(otherAccount, region) }, want: denies, says: "AccessDenied", rules: "outcome=unavailable"},
		{name: "role that trusts others", config: assume, set: there(aws.Role{Name: "spire", TrustedAccounts: []string{thirdAccount}}), want: denies, says: "AccessDenied", rules: "outcome=unavailable"},
		{name: "role that wants an external ID", config: assume, set: there(aws.Role{Name: "spire", TrustedAccounts: []string{account}, ExternalID: "x"}), want: denies, says: "AccessDenied", rules: "outcome=unavailable"},
		{name: "role and organization", config: assume + "\n" + organizationBlock(""), want: accepts, set: func(tr *trial) { there(trusting)(tr); member(tr) }},
		{name: "role and cluster", config: assume + "\n" + clusters("prod"), want: accepts, set: func(tr *trial) { there(trusting)(tr); inCluster(tr) }},
	}
}
