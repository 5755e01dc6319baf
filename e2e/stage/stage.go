// Package stage sets the scene for an attestation on one machine: a small AWS
// that signs identity documents and answers API calls, nodes in it with their
// metadata services, and the configuration that makes a SPIRE server load
// Gatehouse against it.
//
// Start at NewAWS.
package stage

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/spire-gatehouse/gatehouse/e2e/repo"
	"github.com/spire-gatehouse/gatehouse/e2e/standin"
	"github.com/spire-gatehouse/gatehouse/e2e/standin/aws"
	"github.com/spire-gatehouse/gatehouse/e2e/standin/imds"
	"github.com/spire-gatehouse/gatehouse/internal/testauthority/awsiid"
)

// The credentials that the SPIRE server has.
const (
	AccessKeyID     = "AKIAIOSFODNN7EXAMPLE"
	SecretAccessKey = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
)

// AWS is one account in one region.
type AWS struct {
	World     *aws.World
	API       *aws.Server
	Authority *awsiid.Authority

	// URL is the endpoint of the APIs.
	URL string

	// Certificates is the directory with the authority's certificates, as
	// identity_document_certificates wants it.
	Certificates string

	account, region string
}

// NewAWS makes an account in a region, with its APIs on loopback until ctx
// ends. It writes certificates below dir.
func NewAWS(ctx context.Context, dir, account, region string) (*AWS, error) {
	authority, err := awsiid.New(region)
	if err != nil {
		return nil, fmt.Errorf("stage: %w", err)
	}
	certificates := filepath.Join(dir, "certificates")
	if err := os.MkdirAll(certificates, 0o755); err != nil {
		return nil, fmt.Errorf("stage: %w", err)
	}
	if err := authority.WriteCertificates(certificates); err != nil {
		return nil, fmt.Errorf("stage: %w", err)
	}
	world := aws.NewWorld(nil)
	world.AddRegion(region)
	world.AddUser(account, AccessKeyID, SecretAccessKey)
	api := aws.New(world)
	listener, err := standin.Listen(ctx, api)
	if err != nil {
		return nil, err
	}
	return &AWS{
		World: world, API: api, Authority: authority, URL: listener.URL,
		Certificates: certificates, account: account, region: region,
	}, nil
}

// Document returns the identity document of a node with this ID that booted a
// few minutes ago, to be changed at will before Boot.
func (a *AWS) Document(instanceID string) awsiid.Document {
	document := awsiid.NewDocument(a.region)
	document.AccountID, document.InstanceID = a.account, instanceID
	document.PendingTime = time.Now().UTC().Add(-5 * time.Minute).Format("2006-01-02T15:04:05Z")
	return document
}

// Instance returns what EC2 says about the node of a document, to be changed at
// will before Boot.
func Instance(document awsiid.Document) (aws.Instance, error) {
	launched, err := time.Parse(time.RFC3339, document.PendingTime)
	if err != nil {
		return aws.Instance{}, fmt.Errorf("stage: %w", err)
	}
	index := 0
	group := []aws.SecurityGroup{{ID: "sg-0a1b2c3d4e5f60718", Name: "web"}}
	return aws.Instance{
		ID: document.InstanceID, ImageID: document.ImageID, State: aws.Running(), Type: document.InstanceType,
		LaunchTime: &launched, Placement: &aws.Placement{AvailabilityZone: document.AvailabilityZone, Tenancy: "default"},
		SubnetID: "subnet-0a1b2c3d4e5f60718", VPCID: "vpc-0a1b2c3d4e5f60718", PrivateIP: document.PrivateIP,
		SecurityGroups: group, Architecture: document.Architecture,
		RootDeviceType: "ebs", RootDeviceName: "/dev/xvda",
		BlockDevices: []aws.BlockDevice{{DeviceName: "/dev/xvda",
			EBS: &aws.EBS{VolumeID: "vol-0a1b2c3d4e5f60718", Status: "attached", AttachTime: &launched, DeleteOnTermination: true}}},
		Tags: []aws.Tag{{Key: "Name", Value: "web-1"}, {Key: "env", Value: "prod"}},
		Interfaces: []aws.Interface{{ID: "eni-0a1b2c3d4e5f60718", Status: "in-use", PrivateIP: document.PrivateIP, SecurityGroups: group,
			Attachment:       &aws.Attachment{ID: "eni-attach-1", DeviceIndex: &index, Status: "attached", AttachTime: &launched},
			PrivateAddresses: []aws.Address{{PrivateIP: document.PrivateIP, Primary: true}}}},
		MetadataOptions: &aws.MetadataOptions{State: "applied", HTTPTokens: "required", HopLimit: 1, HTTPEndpoint: "enabled"},
	}, nil
}

// Node is a machine that has booted.
type Node struct {
	// MetadataURL is its metadata service.
	MetadataURL string

	// Payload is what an agent on it sends.
	Payload []byte
}

// Boot makes EC2 know the instance of the document, signs the document and
// serves it as the node's metadata until ctx ends.
func (a *AWS) Boot(ctx context.Context, document awsiid.Document) (Node, error) {
	instance, err := Instance(document)
	if err != nil {
		return Node{}, err
	}
	a.World.PutInstance(document.AccountID, document.Region, instance)
	payload, err := a.Authority.Payload(document.JSON())
	if err != nil {
		return Node{}, fmt.Errorf("stage: %w", err)
	}
	return Serve(ctx, payload)
}

// Serve starts the metadata service of a node whose agent sends this payload.
func Serve(ctx context.Context, payload []byte) (Node, error) {
	var parts struct{ Document, Signature, RSA2048 string }
	if err := json.Unmarshal(payload, &parts); err != nil {
		return Node{}, fmt.Errorf("stage: %w", err)
	}
	listener, err := standin.Listen(ctx, imds.New(imds.Identity(parts), nil))
	if err != nil {
		return Node{}, err
	}
	return Node{MetadataURL: listener.URL, Payload: payload}, nil
}

// Plugin is the NodeAttestor block that loads Gatehouse from this file with
// this plugin_data.
func Plugin(binary, pluginData string) (string, error) {
	return block(binary, "plugin_data {\n"+pluginData+"\n        }")
}

// PluginWithFile is the same with the plugin_data in a file, which SPIRE reads
// again upon SIGUSR1.
func PluginWithFile(binary, file string) (string, error) {
	return block(binary, fmt.Sprintf("plugin_data_file = %q", file))
}

func block(binary, data string) (string, error) {
	sum, err := repo.Checksum(binary)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf(`
    NodeAttestor "aws_iid" {
        plugin_cmd = %q
        plugin_args = ["aws_iid"]
        plugin_checksum = %q
        %s
    }`, binary, sum, data), nil
}

// PluginData is the plugin_data of a server with credentials for this AWS.
func (a *AWS) PluginData() string {
	return fmt.Sprintf(`            access_key_id = %q
            secret_access_key = %q
            identity_document_certificates = %q`, AccessKeyID, SecretAccessKey, a.Certificates)
}

// Env is the environment that leads the server's AWS SDK here, and nowhere else.
func (a *AWS) Env() []string {
	return []string{"AWS_ENDPOINT_URL=" + a.URL, "AWS_REGION=" + a.region, "AWS_EC2_METADATA_DISABLED=true"}
}

// AgentEnv is the environment of an agent in this region.
func (a *AWS) AgentEnv() []string { return []string{"AWS_REGION=" + a.region} }
