package awsiid

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
)

// Credentials say how SDKClients log in to AWS. The zero value means the SDK's
// default chain: environment, shared files, the server's own role.
type Credentials struct {
	AccessKeyID     string
	SecretAccessKey string
}

// SDKClients are Clients of the AWS SDK, one for each scope, made when first
// asked for. Each has its own adaptive retries, as AWS throttles each account
// and region by itself. Endpoints are the SDK's to choose: AWS_ENDPOINT_URL and
// its relatives are honoured. Calls last as long as their contexts let them.
type SDKClients struct {
	config aws.Config

	mu      sync.Mutex
	clients map[Scope]*scopedClient
	uses    uint64
}

type scopedClient struct {
	ec2      *ec2.Client
	lastUsed uint64 // a count of uses, not a time
}

var _ Clients = (*SDKClients)(nil)

// NewSDKClients reads the SDK's configuration. It makes no calls.
func NewSDKClients(ctx context.Context, keys Credentials) (*SDKClients, error) {
	options := []func(*config.LoadOptions) error{config.WithRetryMode(aws.RetryModeAdaptive)}
	switch {
	case keys.AccessKeyID != "" && keys.SecretAccessKey != "":
		options = append(options, config.WithCredentialsProvider(
			credentials.NewStaticCredentialsProvider(keys.AccessKeyID, keys.SecretAccessKey, "")))
	case keys != Credentials{}:
		return nil, errors.New("awsiid: an access key ID and a secret access key go together: one is missing")
	}
	loaded, err := config.LoadDefaultConfig(ctx, options...)
	if err != nil {
		return nil, fmt.Errorf("awsiid: AWS configuration: %w", err)
	}
	return &SDKClients{config: loaded, clients: map[Scope]*scopedClient{}}, nil
}

// EC2 returns the client of a scope.
func (s *SDKClients) EC2(_ context.Context, scope Scope) (EC2, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	client, ok := s.clients[scope]
	if !ok {
		if len(s.clients) >= maxClients {
			s.dropLeastRecentlyUsed()
		}
		client = &scopedClient{ec2: ec2.NewFromConfig(s.config, func(o *ec2.Options) { o.Region = scope.Region })}
		s.clients[scope] = client
	}
	s.uses++
	client.lastUsed = s.uses
	return client.ec2, nil
}

func (s *SDKClients) dropLeastRecentlyUsed() {
	var oldest Scope
	least := s.uses + 1
	for scope, client := range s.clients {
		if client.lastUsed < least {
			oldest, least = scope, client.lastUsed
		}
	}
	delete(s.clients, oldest)
}
