package awsiid

import (
	"context"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/service/autoscaling"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/organizations"
	"github.com/aws/smithy-go"
)

// A Scope is where calls go, and as whom: what each AWS client and each cached
// answer belongs to.
type Scope struct {
	Partition string
	AccountID string
	Region    string

	// Role is the name, with its path if it has one, of the role to assume in
	// the account. Empty means the server's own credentials.
	Role string
}

// roleARN names the role to assume.
func (s Scope) roleARN() string {
	return fmt.Sprintf("arn:%s:iam::%s:role/%s", s.Partition, s.AccountID, s.Role)
}

// asked is the scope of the answers: without a role it is the server's own
// account that answers, whatever the account of the node is. Nodes of a thousand
// foreign accounts then cost what those of one do.
func (s Scope) asked() Scope {
	if s.Role == "" {
		s.AccountID = ""
	}
	return s
}

// String says where a call went, in errors.
func (s Scope) String() string {
	if s.AccountID == "" {
		return "the server's own account, region " + s.Region
	}
	return "account " + s.AccountID + ", region " + s.Region
}

// EC2 is the part of EC2's API that facts come from.
type EC2 interface {
	DescribeInstances(context.Context, *ec2.DescribeInstancesInput, ...func(*ec2.Options)) (*ec2.DescribeInstancesOutput, error)
}

// IAM is the same of IAM.
type IAM interface {
	GetInstanceProfile(context.Context, *iam.GetInstanceProfileInput, ...func(*iam.Options)) (*iam.GetInstanceProfileOutput, error)
}

// Organizations is the same of Organizations.
type Organizations interface {
	ListAccounts(context.Context, *organizations.ListAccountsInput, ...func(*organizations.Options)) (*organizations.ListAccountsOutput, error)
}

// EKS is the same of EKS.
type EKS interface {
	ListNodegroups(context.Context, *eks.ListNodegroupsInput, ...func(*eks.Options)) (*eks.ListNodegroupsOutput, error)
	DescribeNodegroup(context.Context, *eks.DescribeNodegroupInput, ...func(*eks.Options)) (*eks.DescribeNodegroupOutput, error)
}

// AutoScaling is the same of EC2 Auto Scaling.
type AutoScaling interface {
	DescribeAutoScalingGroups(context.Context, *autoscaling.DescribeAutoScalingGroupsInput, ...func(*autoscaling.Options)) (*autoscaling.DescribeAutoScalingGroupsOutput, error)
}

// Clients give out clients for a scope.
type Clients interface {
	EC2(context.Context, Scope) (EC2, error)
	IAM(context.Context, Scope) (IAM, error)
	Organizations(context.Context, Scope) (Organizations, error)
	EKS(context.Context, Scope) (EKS, error)
	AutoScaling(context.Context, Scope) (AutoScaling, error)
}

var (
	_ EC2           = (*ec2.Client)(nil)
	_ IAM           = (*iam.Client)(nil)
	_ Organizations = (*organizations.Client)(nil)
	_ EKS           = (*eks.Client)(nil)
	_ AutoScaling   = (*autoscaling.Client)(nil)
)

// noClients are the clients of a collector that has none.
type noClients struct{}

var (
	_            Clients = noClients{}
	errNoClients         = errors.New("no AWS clients are configured")
)

func (noClients) EC2(context.Context, Scope) (EC2, error) { return nil, errNoClients }
func (noClients) IAM(context.Context, Scope) (IAM, error) { return nil, errNoClients }
func (noClients) Organizations(context.Context, Scope) (Organizations, error) {
	return nil, errNoClients
}
func (noClients) EKS(context.Context, Scope) (EKS, error) { return nil, errNoClients }
func (noClients) AutoScaling(context.Context, Scope) (AutoScaling, error) {
	return nil, errNoClients
}

// failed says which call failed, of what, and where.
func failed(call, subject string, scope Scope, err error) error {
	return fmt.Errorf("%s of %s in %s: %w", call, subject, scope, err)
}

// hasCode reports whether AWS answered with an error code.
func hasCode(err error, code string) bool {
	var apiError smithy.APIError
	return errors.As(err, &apiError) && apiError.ErrorCode() == code
}

// errEmptyAnswer: neither an answer nor an error.
var errEmptyAnswer = errors.New("an empty answer")
