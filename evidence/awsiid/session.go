package awsiid

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/autoscaling"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/organizations"
	"github.com/hashicorp/golang-lru/v2/simplelru"
)

// Credentials say how SDKClients log in to AWS. The zero value means the SDK's
// default chain: environment, shared files, the server's own role.
type Credentials struct {
	AccessKeyID     string
	SecretAccessKey string

	// SessionToken goes with keys that are temporary.
	SessionToken string
}

// SDKClients are Clients of the AWS SDK, one set for each scope, made when first
// asked for. Each has its own adaptive retries, as AWS throttles each account
// and region by itself. Endpoints are the SDK's to choose: AWS_ENDPOINT_URL and
// its relatives are honoured. Calls last as long as their contexts let them.
type SDKClients struct {
	config aws.Config
	http   *http.Client

	mu    sync.Mutex
	sets  *simplelru.LRU[Scope, *clientSet]
	roles *simplelru.LRU[role, aws.CredentialsProvider]
}

var _ Clients = (*SDKClients)(nil)

// NewSDKClients reads the SDK's configuration. It makes no calls.
func NewSDKClients(ctx context.Context, keys Credentials) (*SDKClients, error) {
	options := []func(*config.LoadOptions) error{
		config.WithRetryer(newRetryer),
		config.WithHTTPClient(awshttp.NewBuildableClient().WithTimeout(attemptTimeout)),
	}
	switch {
	case keys.AccessKeyID != "" && keys.SecretAccessKey != "":
		options = append(options, config.WithCredentialsProvider(
			credentials.NewStaticCredentialsProvider(keys.AccessKeyID, keys.SecretAccessKey, keys.SessionToken)))
	case keys != Credentials{}:
		return nil, errors.New("awsiid: an access key ID and a secret access key go together: one is missing")
	}
	loaded, err := config.LoadDefaultConfig(ctx, options...)
	if err != nil {
		return nil, fmt.Errorf("awsiid: AWS configuration: %w", err)
	}
	client, err := plainHTTP(loaded.HTTPClient)
	if err != nil {
		return nil, err
	}
	loaded.HTTPClient = boundedHTTP{client}
	sets, err := simplelru.NewLRU[Scope, *clientSet](maxClients, nil)
	if err != nil {
		return nil, fmt.Errorf("awsiid: %w", err)
	}
	roles, err := simplelru.NewLRU[role, aws.CredentialsProvider](maxCredentials, nil)
	if err != nil {
		return nil, fmt.Errorf("awsiid: %w", err)
	}
	return &SDKClients{config: loaded, http: client, sets: sets, roles: roles}, nil
}

// Close closes connections that are not in use.
func (s *SDKClients) Close() { s.http.CloseIdleConnections() }

// plainHTTP takes the HTTP client, which has the operator's proxy and trust
// anchors by now, out of the SDK's. Unlike the SDK's it can close its connections,
// and follows no redirect, to wherever an answer says.
func plainHTTP(from aws.HTTPClient) (*http.Client, error) {
	buildable, ok := from.(*awshttp.BuildableClient)
	if !ok {
		return nil, fmt.Errorf("awsiid: AWS configuration: an HTTP client of type %T", from)
	}
	return &http.Client{
		Transport:     buildable.GetTransport(),
		Timeout:       buildable.GetTimeout(),
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}, nil
}

// boundedHTTP bounds the bytes of an answer.
type boundedHTTP struct{ aws.HTTPClient }

func (b boundedHTTP) Do(request *http.Request) (*http.Response, error) {
	response, err := b.HTTPClient.Do(request)
	if err == nil {
		response.Body = &boundedBody{ReadCloser: response.Body, left: maxAnswer}
	}
	return response, err
}

type boundedBody struct {
	io.ReadCloser
	left int
}

func (b *boundedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if b.left -= n; b.left < 0 {
		return 0, fmt.Errorf("an answer of more than %d bytes", maxAnswer)
	}
	return n, err
}

// A clientSet is the clients of one scope, each made when it is first used.
type clientSet struct {
	ec2           func() *ec2.Client
	iam           func() *iam.Client
	organizations func() *organizations.Client
	eks           func() *eks.Client
	autoScaling   func() *autoscaling.Client
}

func newClientSet(config aws.Config) *clientSet {
	return &clientSet{
		ec2:           sync.OnceValue(func() *ec2.Client { return ec2.NewFromConfig(config) }),
		iam:           sync.OnceValue(func() *iam.Client { return iam.NewFromConfig(config) }),
		organizations: sync.OnceValue(func() *organizations.Client { return organizations.NewFromConfig(config) }),
		eks:           sync.OnceValue(func() *eks.Client { return eks.NewFromConfig(config) }),
		autoScaling:   sync.OnceValue(func() *autoscaling.Client { return autoscaling.NewFromConfig(config) }),
	}
}

// of returns the clients of a scope.
func (s *SDKClients) of(scope Scope) *clientSet {
	scope = scope.asked()
	s.mu.Lock()
	defer s.mu.Unlock()
	if set, ok := s.sets.Get(scope); ok {
		return set
	}
	set := newClientSet(s.configOf(scope))
	s.sets.Add(scope, set)
	return set
}

// EC2 returns the EC2 client of a scope.
func (s *SDKClients) EC2(_ context.Context, scope Scope) (EC2, error) { return s.of(scope).ec2(), nil }

// IAM returns the IAM client of a scope.
func (s *SDKClients) IAM(_ context.Context, scope Scope) (IAM, error) { return s.of(scope).iam(), nil }

// Organizations returns the Organizations client of a scope.
func (s *SDKClients) Organizations(_ context.Context, scope Scope) (Organizations, error) {
	return s.of(scope).organizations(), nil
}

// EKS returns the EKS client of a scope.
func (s *SDKClients) EKS(_ context.Context, scope Scope) (EKS, error) { return s.of(scope).eks(), nil }

// AutoScaling returns the Auto Scaling client of a scope.
func (s *SDKClients) AutoScaling(_ context.Context, scope Scope) (AutoScaling, error) {
	return s.of(scope).autoScaling(), nil
}
