package spire

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"fmt"

	"github.com/spiffe/go-spiffe/v2/bundle/x509bundle"
	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"github.com/spiffe/go-spiffe/v2/spiffetls/tlsconfig"
	agentv1 "github.com/spiffe/spire-api-sdk/proto/spire/api/server/agent/v1"
	"github.com/spiffe/spire-api-sdk/proto/spire/api/types"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
)

// A Client attests as an agent does, with any payload. It is safe for
// concurrent use.
type Client struct {
	conn *grpc.ClientConn
	csr  []byte
}

// An SVID is what an attestation gets.
type SVID struct {
	ID           string // SPIFFE ID
	Chain        []*x509.Certificate
	Reattestable bool
}

// NewClient returns a client of the server; Close it.
func (s *Server) NewClient() (*Client, error) {
	trustDomain, err := spiffeid.TrustDomainFromString(s.TrustDomain)
	if err != nil {
		return nil, fmt.Errorf("spire: %w", err)
	}
	bundle, err := x509bundle.Parse(trustDomain, s.bundle)
	if err != nil {
		return nil, fmt.Errorf("spire: %w", err)
	}
	serverID, err := spiffeid.FromPath(trustDomain, "/spire/server")
	if err != nil {
		return nil, fmt.Errorf("spire: %w", err)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("spire: %w", err)
	}
	csr, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, key)
	if err != nil {
		return nil, fmt.Errorf("spire: %w", err)
	}
	tls := tlsconfig.TLSClientConfig(bundle, tlsconfig.AuthorizeID(serverID))
	conn, err := grpc.NewClient(s.Address, grpc.WithTransportCredentials(credentials.NewTLS(tls)))
	if err != nil {
		return nil, fmt.Errorf("spire: %w", err)
	}
	return &Client{conn: conn, csr: csr}, nil
}

// Close ends the connection.
func (c *Client) Close() { _ = c.conn.Close() }

// Attest attests with the payload for the plugin of that name. An error of the
// server's is returned as it is, for status.Code to read.
func (c *Client) Attest(ctx context.Context, plugin string, payload []byte) (SVID, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // ends the stream
	stream, err := agentv1.NewAgentClient(c.conn).AttestAgent(ctx)
	if err != nil {
		return SVID{}, err
	}
	// The reason why sending failed is what Recv returns.
	_ = stream.Send(&agentv1.AttestAgentRequest{Step: &agentv1.AttestAgentRequest_Params_{
		Params: &agentv1.AttestAgentRequest_Params{
			Data:   &types.AttestationData{Type: plugin, Payload: payload},
			Params: &agentv1.AgentX509SVIDParams{Csr: c.csr},
		},
	}})
	answer, err := stream.Recv()
	if err != nil {
		return SVID{}, err
	}
	result := answer.GetResult()
	if result == nil {
		return SVID{}, errors.New("spire: the server answered with a challenge")
	}
	svid := SVID{
		ID:           "spiffe://" + result.GetSvid().GetId().GetTrustDomain() + result.GetSvid().GetId().GetPath(),
		Reattestable: result.GetReattestable(),
	}
	for _, der := range result.GetSvid().GetCertChain() {
		certificate, err := x509.ParseCertificate(der)
		if err != nil {
			return SVID{}, fmt.Errorf("spire: %w", err)
		}
		svid.Chain = append(svid.Chain, certificate)
	}
	return svid, nil
}

// Attest attests once with the payload.
func (s *Server) Attest(ctx context.Context, plugin string, payload []byte) (SVID, error) {
	client, err := s.NewClient()
	if err != nil {
		return SVID{}, err
	}
	defer client.Close()
	return client.Attest(ctx, plugin, payload)
}
