package bench

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/spire-gatehouse/gatehouse/e2e/stage"
	"github.com/spire-gatehouse/gatehouse/e2e/standin/aws"
)

// Rates are those of AWS, for each account and region; 0 for no limit.
type Rates struct {
	Latency time.Duration // of each call

	// DescribeInstances are let through in a burst, and then so many a second:
	// https://docs.aws.amazon.com/ec2/latest/devguide/ec2-api-throttling.html
	EC2Burst, EC2PerSecond int

	// GetInstanceProfile likewise. AWS publishes no rate of IAM.
	IAMBurst, IAMPerSecond int
}

// AWS is an account and region. Its instances have five profiles among them.
type AWS struct {
	cloud *stage.AWS
	dir   string
	made  int // instances
}

const (
	account  = "123456789012"
	region   = "eu-central-1"
	profiles = 5
)

// NewAWS makes an account and region until ctx ends, with files below dir.
func NewAWS(ctx context.Context, dir string) (*AWS, error) {
	cloud, err := stage.NewAWS(ctx, dir, account, region)
	if err != nil {
		return nil, err
	}
	for i := range profiles {
		cloud.World.PutProfile(account, profile(i))
	}
	return &AWS{cloud: cloud, dir: dir}, nil
}

func profile(i int) aws.Profile {
	name := fmt.Sprintf("web-%d", i%profiles)
	return aws.Profile{Name: name, Roles: []aws.ProfileRole{{Name: name}}}
}

// A Fleet is nodes that may attest.
type Fleet struct {
	Payloads string // file with one a line
	IDs      []string
}

// Fleet boots instances with so many tags each.
func (a *AWS) Fleet(nodes, tags int) (Fleet, error) {
	file, err := os.Create(filepath.Join(a.dir, fmt.Sprintf("aws-%d.payloads", a.made)))
	if err != nil {
		return Fleet{}, fmt.Errorf("bench: %w", err)
	}
	defer file.Close()
	fleet := Fleet{Payloads: file.Name()}
	for range nodes {
		document := a.cloud.Document(fmt.Sprintf("i-%017x", a.made+1))
		instance, err := stage.Instance(document)
		if err != nil {
			return Fleet{}, err
		}
		instance.InstanceProfile = &aws.InstanceProfile{ARN: profile(a.made).ARN(region, account), ID: "AIPAEXAMPLE"}
		instance.Tags = nil
		for i := range tags {
			instance.Tags = append(instance.Tags, aws.Tag{Key: fmt.Sprintf("team:tag-%02d", i), Value: fmt.Sprintf("value-%02d", i)})
		}
		a.cloud.World.PutInstance(account, region, instance)
		payload, err := a.cloud.Authority.Payload(document.JSON())
		if err != nil {
			return Fleet{}, fmt.Errorf("bench: %w", err)
		}
		if _, err := fmt.Fprintf(file, "%s\n", payload); err != nil {
			return Fleet{}, fmt.Errorf("bench: %w", err)
		}
		fleet.IDs = append(fleet.IDs, document.InstanceID)
		a.made++
	}
	return fleet, nil
}

// Job is that of Gatehouse's program, or of the built-in if that is empty.
func (a *AWS) Job(kind, program string, fleet Fleet) Job {
	return Job{
		Kind: kind, Plugin: "aws_iid", Program: program, PluginData: a.cloud.PluginData(), Certificates: a.cloud.Certificates,
		Payloads: fleet.Payloads, Nodes: len(fleet.IDs),
	}
}

// edited is a job with a policy directory that can be edited.
func (a *AWS) edited(j Job) Job {
	j.Policy = filepath.Join(a.dir, "policy")
	j.PluginData += fmt.Sprintf("\npolicy { directory = %q }\n", j.Policy)
	return j
}

// Reset fills the buckets, and forgets the calls.
func (a *AWS) Reset(rates Rates) {
	a.cloud.API.Faults.Clear()
	if rates.Latency > 0 {
		a.cloud.API.Faults.Add(aws.Fault{Latency: rates.Latency})
	}
	a.cloud.API.Limit("ec2:DescribeInstances", rates.EC2Burst, rates.EC2PerSecond)
	a.cloud.API.Limit("iam:GetInstanceProfile", rates.IAMBurst, rates.IAMPerSecond)
	a.cloud.API.Forget()
}

// Calls are those since Reset, by action, refused ones too.
func (a *AWS) Calls() map[string]int {
	calls := map[string]int{}
	for _, call := range a.cloud.API.Calls() {
		calls[call.Action]++
	}
	return calls
}

// Env is the environment of a process whose attestor finds this AWS.
func (a *AWS) Env() []string {
	return append(append(os.Environ(), a.cloud.Env()...), "AWS_CONFIG_FILE="+os.DevNull, "AWS_SHARED_CREDENTIALS_FILE="+os.DevNull)
}
