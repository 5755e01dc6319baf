package recording

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/spire-gatehouse/gatehouse/e2e/stage"
	"github.com/spire-gatehouse/gatehouse/e2e/standin/aws"
	"github.com/spire-gatehouse/gatehouse/internal/testauthority/awsiid"
)

const (
	home    = "123456789012" // account of the SPIRE server
	assumed = "spire"        // role in all others
)

// awsCloud is an AWS that the fleet's instances run in.
type awsCloud struct {
	*stage.AWS
	signers map[string]*awsiid.Authority // by region
	forger  *awsiid.Authority
}

// newAWS makes an AWS until ctx ends, with files below dir.
func newAWS(ctx context.Context, dir string) (*awsCloud, error) {
	cloud, err := stage.NewAWS(ctx, dir, home, regions[0])
	if err != nil {
		return nil, err
	}
	c := &awsCloud{AWS: cloud, signers: map[string]*awsiid.Authority{regions[0]: cloud.Authority}}
	for _, region := range regions[1:] {
		cloud.World.AddRegion(region)
		if c.signers[region], err = awsiid.New(region); err != nil {
			return nil, fmt.Errorf("recording: %w", err)
		}
		if err := c.signers[region].WriteCertificates(cloud.Certificates); err != nil {
			return nil, fmt.Errorf("recording: %w", err)
		}
	}
	if c.forger, err = awsiid.New(regions[0]); err != nil {
		return nil, fmt.Errorf("recording: %w", err)
	}
	// Configuration is in the log, and who records it where is not to be.
	cloud.Certificates = filepath.Base(cloud.Certificates)
	for _, account := range append(accounts, excluded) {
		cloud.World.PutRole(account, aws.Role{Name: assumed, TrustedAccounts: []string{home}})
		for _, name := range []string{"web", "worker"} {
			cloud.World.PutProfile(account, profile(name))
		}
	}
	return c, nil
}

func profile(name string) aws.Profile {
	return aws.Profile{Name: name, Roles: []aws.ProfileRole{{Name: name}}}
}

// boot makes AWS know an instance, and returns what its agent sends.
func (c *awsCloud) boot(m Instance, now time.Time) ([]byte, error) {
	document := awsiid.NewDocument(m.Region)
	document.AccountID, document.InstanceID, document.AvailabilityZone = m.Account, m.ID, m.Zone
	document.ImageID, document.PrivateIP = m.Image, m.PrivateIP
	document.PendingTime = now.Add(-m.Age).UTC().Format(time.RFC3339)
	if !m.Unknown {
		instance, err := stage.Instance(document)
		if err != nil {
			return nil, err
		}
		m.describe(&instance)
		c.World.PutInstance(m.Account, m.Region, instance)
	}
	signer := c.signers[m.Region]
	if m.Forged {
		signer = c.forger
	}
	payload, err := signer.Payload(document.JSON())
	if err != nil {
		return nil, fmt.Errorf("recording: %w", err)
	}
	return payload, nil
}

// describe says what EC2 does about the instance.
func (m Instance) describe(i *aws.Instance) {
	number := m.ID[len("i-"):]
	group := []aws.SecurityGroup{{ID: "sg-0" + m.Group, Name: m.Group}}
	i.SecurityGroups, i.Interfaces[0].SecurityGroups = group, group
	i.Interfaces[0].ID, i.BlockDevices[0].EBS.VolumeID = "eni-"+number, "vol-"+number
	i.MetadataOptions.HTTPTokens = m.HTTPTokens
	i.Tags = []aws.Tag{{Key: "Name", Value: m.Name}, {Key: "env", Value: m.Env}}
	if m.Team != "" {
		i.Tags = append(i.Tags, aws.Tag{Key: "team", Value: m.Team})
	}
	if m.Hostile {
		i.Tags = append(i.Tags, aws.Tag{Key: "note", Value: `<script>alert("owned")</script><img src=x onerror=alert(1)>`})
	}
	if m.Profile != "" {
		i.InstanceProfile = &aws.InstanceProfile{ARN: profile(m.Profile).ARN(m.Region, m.Account), ID: "AIPAEXAMPLE"}
	}
	switch m.State {
	case "stopped":
		i.State = aws.Stopped()
	case "terminated":
		i.State = aws.Terminated()
	}
	if m.Replaced {
		late := i.LaunchTime.Add(time.Hour)
		i.BlockDevices[0].EBS.AttachTime = &late
	}
}

// fail has EC2 not answer until stop is called.
func (c *awsCloud) fail() (stop func()) {
	c.API.Faults.Add(aws.Fault{Action: "ec2:DescribeInstances", Error: aws.Unavailable()})
	return c.API.Faults.Clear
}

// hold has EC2 keep its answers back until release is called.
func (c *awsCloud) hold() (release func()) {
	held := make(chan struct{})
	c.API.Faults.Add(aws.Fault{Action: "ec2:DescribeInstances", Hold: held})
	return func() {
		c.API.Faults.Clear()
		close(held)
	}
}

// pluginData is what the server is configured with, in the directory with the
// certificates. From change on it lists the accounts that are allowed.
func (c *awsCloud) pluginData(changed bool) string {
	allowed := ""
	if changed {
		allowed = fmt.Sprintf("            allowed_account_ids = [\"%s\"]\n", strings.Join(accounts, `", "`))
	}
	return c.PluginData() + fmt.Sprintf("\n            assume_role = %q\n", assumed) + allowed + common("aws_iid")
}
