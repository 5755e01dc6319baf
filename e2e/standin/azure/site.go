package azure

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"time"
)

// A Site is a cloud on loopback, over TLS.
type Site struct {
	// Address is where it listens; URL is the same with its scheme.
	Address, URL string

	// Certificate is what its users must trust, in PEM: for Azure's names, and
	// for loopback.
	Certificate []byte
}

// Serve serves a cloud until ctx ends.
func Serve(ctx context.Context, cloud http.Handler) (*Site, error) {
	certificate, err := newCertificate()
	if err != nil {
		return nil, fmt.Errorf("azure: %w", err)
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("azure: %w", err)
	}
	server := &http.Server{
		Handler:           cloud,
		ReadHeaderTimeout: 10 * time.Second,
		TLSConfig:         &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12},
		ErrorLog:          log.New(io.Discard, "", 0), // of those who don't trust it
	}
	go func() { _ = server.ServeTLS(listener, "", "") }() // ends with an error, that of Close
	context.AfterFunc(ctx, func() { _ = server.Close() })
	address := listener.Addr().String()
	return &Site{
		Address: address, URL: "https://" + address,
		Certificate: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate.Certificate[0]}),
	}, nil
}

// newCertificate signs a certificate with its own key.
func newCertificate() (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	template := &x509.Certificate{
		SerialNumber:          big.NewInt(1),
		Subject:               pkix.Name{CommonName: "Azure on loopback"},
		NotBefore:             time.Now().Add(-time.Hour),
		NotAfter:              time.Now().Add(24 * time.Hour),
		KeyUsage:              x509.KeyUsageDigitalSignature,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true,
		DNSNames:              []string{LoginHost, ManagerHost, "localhost"},
		IPAddresses:           []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return tls.Certificate{}, err
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, nil
}
