package awsiid

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/autoscaling"
	astypes "github.com/aws/aws-sdk-go-v2/service/autoscaling/types"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	ekstypes "github.com/aws/aws-sdk-go-v2/service/eks/types"
	iamtypes "github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/aws/aws-sdk-go-v2/service/organizations"
	orgtypes "github.com/aws/aws-sdk-go-v2/service/organizations/types"
)

// lists is an AWS that answers with lists of these sizes, each on one page. Its
// Auto Scaling groups are all in its first node group, its nodes in the first group.
type lists struct {
	Clients
	accounts, nodeGroups, scalingGroups, nodes int
}

func (l lists) Organizations(context.Context, Scope) (Organizations, error) { return l, nil }
func (l lists) EKS(context.Context, Scope) (EKS, error)                     { return l, nil }
func (l lists) AutoScaling(context.Context, Scope) (AutoScaling, error)     { return l, nil }

func (l lists) ListAccounts(context.Context, *organizations.ListAccountsInput, ...func(*organizations.Options)) (*organizations.ListAccountsOutput, error) {
	out := &organizations.ListAccountsOutput{}
	for i := range l.accounts {
		out.Accounts = append(out.Accounts, orgtypes.Account{Id: new(fmt.Sprintf("%012d", i))})
	}
	return out, nil
}

func (l lists) ListNodegroups(context.Context, *eks.ListNodegroupsInput, ...func(*eks.Options)) (*eks.ListNodegroupsOutput, error) {
	out := &eks.ListNodegroupsOutput{}
	for i := range l.nodeGroups {
		out.Nodegroups = append(out.Nodegroups, fmt.Sprint("group-", i))
	}
	return out, nil
}

func (l lists) DescribeNodegroup(_ context.Context, in *eks.DescribeNodegroupInput, _ ...func(*eks.Options)) (*eks.DescribeNodegroupOutput, error) {
	resources := &ekstypes.NodegroupResources{}
	for i := range l.scalingGroups {
		if *in.NodegroupName == "group-0" {
			resources.AutoScalingGroups = append(resources.AutoScalingGroups, ekstypes.AutoScalingGroup{Name: new(fmt.Sprint("asg-", i))})
		}
	}
	return &eks.DescribeNodegroupOutput{Nodegroup: &ekstypes.Nodegroup{Resources: resources}}, nil
}

func (l lists) DescribeAutoScalingGroups(_ context.Context, in *autoscaling.DescribeAutoScalingGroupsInput, _ ...func(*autoscaling.Options)) (*autoscaling.DescribeAutoScalingGroupsOutput, error) {
	group := astypes.AutoScalingGroup{AutoScalingGroupName: &in.AutoScalingGroupNames[0]}
	for i := range l.nodes {
		group.Instances = append(group.Instances, astypes.Instance{InstanceId: new(fmt.Sprint("i-", i))})
	}
	return &autoscaling.DescribeAutoScalingGroupsOutput{AutoScalingGroups: []astypes.AutoScalingGroup{group}}, nil
}

// TestAWSListLimits tries the bounds on lists, as AWS gives them.
func TestAWSListLimits(t *testing.T) {
	cluster := func(l lists) error {
		c := &Collector{clients: l, reading: newTurns(maxConcurrentClusters)}
		nodes, err := c.loadCluster(t.Context(), clusterKey{cluster: "prod"})
		if err == nil && len(nodes) != l.nodes {
			return fmt.Errorf("%d nodes", len(nodes))
		}
		return err
	}
	for name, tc := range map[string]limitTest{
		"accounts": {maxAccounts, func(n int) error {
			c := &Collector{clients: lists{accounts: n}}
			accounts, err := c.listAccounts(t.Context(), Scope{})
			if err == nil && len(accounts) != n {
				return fmt.Errorf("%d accounts", len(accounts))
			}
			return err
		}, "more than 50000 accounts"},
		"node groups": {maxNodeGroups, func(n int) error { return cluster(lists{nodeGroups: n}) }, "more than 1000 node groups"},
		"Auto Scaling groups": {maxScalingGroups, func(n int) error {
			return cluster(lists{nodeGroups: 1, scalingGroups: n})
		}, "more than 2000 Auto Scaling groups"},
		"nodes": {maxNodes, func(n int) error {
			return cluster(lists{nodeGroups: 1, scalingGroups: 1, nodes: n})
		}, "more than 100000 instances"},
		"roles of a profile": {maxRoles, func(n int) error {
			_, err := convertProfile(&iamtypes.InstanceProfile{Roles: make([]iamtypes.Role, n)}, "arn", "web")
			return err
		}, "17 roles, more than 16"},
		"paths of an account": {maxPaths, func(n int) error {
			_, err := convertAccount(orgtypes.Account{Paths: make([]string, n)}, "777777777777")
			return err
		}, "65 paths of an account, more than 64"},
		"configured clusters": {MaxClusters, func(n int) error {
			var o Options
			for i := range n {
				o.EKSClusters = append(o.EKSClusters, fmt.Sprint("c", i))
			}
			return o.check()
		}, "1001 EKS clusters, more than 1000"},
		"bytes of an answer": {maxAnswer, func(n int) error {
			body := &boundedBody{ReadCloser: io.NopCloser(io.LimitReader(zeros{}, int64(n))), left: maxAnswer}
			read, err := io.Copy(io.Discard, body)
			if err == nil && read != int64(n) {
				return fmt.Errorf("read %d bytes", read)
			}
			return err
		}, "an answer of more than 33554432 bytes"},
	} {
		t.Run(name, func(t *testing.T) { tc.run(t) })
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { return len(p), nil }

// TestAWSFileLimits tries the bounds on an operator's files.
func TestAWSFileLimits(t *testing.T) {
	certificate, err := embedded.ReadFile("certificates/rsa2048/us-west-2.pem")
	if err != nil {
		t.Fatal(err)
	}
	load := func(write func(dir string) error) error {
		dir := t.TempDir()
		if err := write(dir); err != nil {
			return err
		}
		_, err := LoadCertificates(dir)
		return err
	}
	for name, tc := range map[string]limitTest{
		"files of certificates": {maxCertificateFiles, func(n int) error {
			return load(func(dir string) error {
				for i := range n {
					if err := os.WriteFile(filepath.Join(dir, regionNumber(i)+".pem"), certificate, 0o600); err != nil {
						return err
					}
				}
				return nil
			})
		}, "257 files in "},
		"bytes of one": {maxCertificateFile, func(n int) error {
			return load(func(dir string) error {
				text := append(bytes.Repeat([]byte("\n"), n-len(certificate)), certificate...)
				return os.WriteFile(filepath.Join(dir, "us-west-2.pem"), text, 0o600)
			})
		}, "has more than 65536 bytes"},
		"bits of a key": {maxKeyBits, func(n int) error {
			return load(func(dir string) error {
				return os.WriteFile(filepath.Join(dir, "us-west-2.pem"), certificateOf(t, n), 0o600)
			})
		}, "an RSA key of 8193 bits: neither 1024 nor 2048 to 8192"},
		"bytes of an account list": {maxAccountList, func(n int) error {
			path := filepath.Join(t.TempDir(), "accounts.json")
			if err := os.WriteFile(path, []byte(`["123456789012"`+strings.Repeat(" ", n-16)+`]`), 0o600); err != nil {
				return err
			}
			return CheckAccountList(path)
		}, "has more than 1048576 bytes"},
	} {
		t.Run(name, func(t *testing.T) { tc.run(t) })
	}
}

// regionNumber is the name of a region that there may be one day.
func regionNumber(n int) string {
	return fmt.Sprintf("us-%s-%d", []string{"north", "south", "east", "west"}[n/90], n%90+1)
}

// certificateOf has a public key of that many bits. Nobody has the private one.
func certificateOf(t *testing.T, bits int) []byte {
	t.Helper()
	signer, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	modulus := new(big.Int).Lsh(big.NewInt(1), uint(bits-1))
	modulus.SetBit(modulus, 0, 1)
	template := &x509.Certificate{SerialNumber: big.NewInt(1)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &rsa.PublicKey{N: modulus, E: 65537}, signer)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}
