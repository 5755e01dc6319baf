package testlog

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"time"

	"github.com/spire-gatehouse/gatehouse/evidence/awsiid"
	authority "github.com/spire-gatehouse/gatehouse/internal/testauthority/awsiid"
	"github.com/spire-gatehouse/gatehouse/rego"
)

// awsFleet is instances in several accounts, regions and teams.
type awsFleet struct{ instances []*awsInstance }

type awsInstance struct {
	claims   any
	node     string
	ip       netip.Addr
	account  string
	fact     *awsiid.Instance // nil: AWS knows of none
	profile  *awsiid.InstanceProfile
	attested bool
}

var awsAccounts = []string{"111111111111", "222222222222", "333333333333", "444444444444", "555555555555"}

// newAWSFleet has each instance's document signed, and verified.
func newAWSFleet(ctx context.Context, random *rand.Rand, count int) (*awsFleet, error) {
	dir, err := os.MkdirTemp("", "certificates")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	signers := map[string]*authority.Authority{}
	regions := []string{"us-east-1", "us-west-2", "eu-west-1"}
	for _, region := range regions {
		if signers[region], err = authority.New(region); err != nil {
			return nil, err
		}
		if err := signers[region].WriteCertificates(dir); err != nil {
			return nil, err
		}
	}
	certificates, err := awsiid.LoadCertificates(dir)
	if err != nil {
		return nil, err
	}
	collector, err := awsiid.New(awsiid.Options{Certificates: certificates, Now: func() time.Time { return Begin }})
	if err != nil {
		return nil, err
	}
	fleet := &awsFleet{}
	for i := range count {
		region := one(random, regions...)
		document := authority.NewDocument(region)
		document.AccountID = awsAccounts[max(random.IntN(8)-3, 0)]
		document.AvailabilityZone = region + one(random, "a", "b", "c")
		document.InstanceID = fmt.Sprintf("i-%017x", random.Uint64N(1<<60))
		document.ImageID = one(random, "ami-0aaaaaaaaaaaaaaaa", "ami-0bbbbbbbbbbbbbbbb", "ami-0cccccccccccccccc")
		document.PrivateIP = fmt.Sprintf("10.%d.%d.%d", i>>16&255, i>>8&255, i&255)
		launched := Begin.Add(-time.Duration(random.IntN(100*24)) * time.Hour)
		document.PendingTime = launched.Format(time.RFC3339)
		payload, err := signers[region].Payload(document.JSON())
		if err != nil {
			return nil, err
		}
		verified, err := collector.Verify(ctx, payload)
		if err != nil {
			return nil, err
		}
		instance := &awsInstance{claims: verified.Claims(), node: verified.Identity(), ip: netip.MustParseAddr(document.PrivateIP), account: document.AccountID}
		instance.describe(random, document, launched)
		fleet.instances = append(fleet.instances, instance)
	}
	return fleet, nil
}

// describe says what AWS would about the instance.
func (i *awsInstance) describe(random *rand.Rand, document authority.Document, launched time.Time) {
	if chance(random, 2) {
		return
	}
	attached, index, hops := launched, int32(0), int32(1)
	if chance(random, 2) {
		attached = launched.Add(time.Hour) // a root volume that was taken out and put back
	}
	team := one(random, "payments", "search", "web", "data")
	group := one(random, "web", "db")
	i.fact = &awsiid.Instance{
		ID: document.InstanceID, State: "running", LaunchTime: launched, ImageID: document.ImageID, InstanceType: document.InstanceType,
		AvailabilityZone: document.AvailabilityZone, OwnerID: document.AccountID, PrivateIP: document.PrivateIP,
		Tags:           map[string]string{"Name": fmt.Sprintf("%s-%d", team, random.IntN(50)), "team": team, "env": one(random, "prod", "prod", "staging", "dev")},
		SecurityGroups: []awsiid.SecurityGroup{{ID: "sg-0" + group, Name: group}},
		NetworkInterfaces: []awsiid.NetworkInterface{{
			ID: "eni-" + document.InstanceID, DeviceIndex: &index, AttachTime: launched, Status: "attached", PrivateIPs: []string{document.PrivateIP},
		}},
		BlockDevices:   []awsiid.BlockDevice{{DeviceName: "/dev/xvda", VolumeID: "vol-" + document.InstanceID, AttachTime: attached, Status: "attached"}},
		RootDeviceName: "/dev/xvda", RootDeviceType: "ebs",
		MetadataOptions: &awsiid.MetadataOptions{
			HTTPTokens: one(random, "required", "required", "required", "optional"), HTTPEndpoint: "enabled", HTTPPutResponseHopLimit: &hops, State: "applied",
		},
	}
	if chance(random, 3) {
		i.fact.State = one(random, "stopped", "terminated")
	}
	if chance(random, 5) {
		delete(i.fact.Tags, "team")
	}
	if chance(random, 1) {
		i.fact.Tags["note"] = `<script>alert("owned")</script><img src=x onerror=alert(1)>`
	}
	if chance(random, 60) {
		name := one(random, "web", "worker")
		arn := "arn:aws:iam::" + document.AccountID
		i.fact.InstanceProfileARN = arn + ":instance-profile/" + name
		i.profile = &awsiid.InstanceProfile{ARN: i.fact.InstanceProfileARN, Name: name, Roles: []awsiid.Role{{ARN: arn + ":role/" + name, Name: name}}}
	}
}

// configs turns on, for the second half, a list of accounts in which one is missing.
func (*awsFleet) configs() [2]map[string]any {
	return [2]map[string]any{
		{"skip_block_device": false, "allowed_account_ids": []string{}},
		{"skip_block_device": false, "allowed_account_ids": awsAccounts[:4]},
	}
}

func (f *awsFleet) attempt(random *rand.Rand, now time.Time) attempt {
	i := one(random, f.instances...)
	if chance(random, 1) {
		return attempt{rejected: "awsiid: rsa2048: the signature is not that of any certificate for the region"}
	}
	again := i.attested && chance(random, 60)
	claimed := !again && chance(random, 2)
	in := rego.Input{
		Plugin: "aws_iid", TrustDomain: TrustDomain, Time: now, PeerIP: i.ip, Evidence: i.claims,
		Tofu:  &rego.Tofu{Attested: again, Claimed: claimed},
		Facts: map[string]any{}, FactsStatus: map[string]string{"organization": "not_collected", "eks": "not_collected"},
	}
	if i.fact != nil {
		in.Facts["instance"] = *i.fact
	} else {
		in.FactsStatus["instance"] = "absent"
	}
	if i.profile != nil {
		in.Facts["instance_profile"] = *i.profile
	} else {
		in.FactsStatus["instance_profile"] = "absent"
	}
	i.attested = true
	return attempt{input: in, node: i.node, fails: chance(random, 1)}
}
