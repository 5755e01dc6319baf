package bundles

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/open-policy-agent/opa/v1/keys"
	"github.com/open-policy-agent/opa/v1/logging"
	"github.com/open-policy-agent/opa/v1/plugins/rest"
	"github.com/open-policy-agent/opa/v1/util"

	"github.com/spire-gatehouse/gatehouse/rego"
)

// boundedAuth is a credential plugin of OPA's that bounds what comes back.
type boundedAuth struct {
	unmanaged
	rest.HTTPAuthPlugin
	config rest.Config
}

func authName(service string) string { return "gatehouse/" + service }

// newService returns a service's configuration without its credentials, and the
// plugin that has them. OPA makes an HTTP client of them at the first request; here
// it makes one to check them.
func newService(name string, raw json.RawMessage, keys map[string]*keys.Config) (map[string]any, *boundedAuth, error) {
	service := map[string]any{}
	if err := util.UnmarshalJSON(raw, &service); err != nil {
		return nil, nil, err
	}
	client, err := rest.New(raw, keys, rest.Name(name), rest.Logger(logging.NewNoOpLogger()))
	if err != nil {
		return nil, nil, err
	}
	plugin, err := client.Config().AuthPlugin(func(string) rest.HTTPAuthPlugin { return nil })
	if err != nil {
		return nil, nil, err
	}
	bounded := &boundedAuth{HTTPAuthPlugin: plugin, config: *client.Config()}
	if _, err := bounded.NewClient(bounded.config); err != nil {
		return nil, nil, err
	}
	service["credentials"] = map[string]any{"plugin": authName(name)}
	return service, bounded, nil
}

// NewClient implements rest.HTTPAuthPlugin. OPA changes the one setting when it
// polls for long.
func (a *boundedAuth) NewClient(c rest.Config) (*http.Client, error) {
	config := a.config
	config.ResponseHeaderTimeoutSeconds = c.ResponseHeaderTimeoutSeconds
	client, err := a.HTTPAuthPlugin.NewClient(config)
	if err != nil {
		return nil, err
	}
	bounded := *client
	bounded.Transport = bounds{client.Transport}
	return &bounded, nil
}

// bounds reads the answers of a service whole before OPA does, which keeps all of
// an archive in memory before it verifies its signature.
type bounds struct{ http.RoundTripper }

// RoundTrip implements http.RoundTripper.
func (b bounds) RoundTrip(req *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithCancel(req.Context())
	defer cancel()
	base := b.RoundTripper
	if base == nil {
		base = http.DefaultTransport
	}
	resp, err := base.RoundTrip(req.WithContext(ctx))
	if err != nil || resp.Body == nil || req.Method == http.MethodHead {
		return resp, err
	}
	defer resp.Body.Close()
	defer time.AfterFunc(maxBodyTime, cancel).Stop()
	body, err := readArchive("the answer", resp.Body)
	if err != nil {
		return nil, err
	}
	resp.Body = io.NopCloser(bytes.NewReader(body))
	return resp, nil
}

// readArchive reads an archive whole, within bounds.
func readArchive(what string, r io.Reader) ([]byte, error) {
	body, err := io.ReadAll(io.LimitReader(r, rego.MaxPolicyBytes+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("reading %s: %w", what, err)
	case len(body) > rego.MaxPolicyBytes:
		return nil, fmt.Errorf("%s is larger than %d bytes", what, rego.MaxPolicyBytes)
	}
	return body, checkArchive(body)
}

// checkArchive bounds what an archive unpacks to. What is no archive passes: OPA
// will say so.
func checkArchive(body []byte) error {
	unzip, err := gzip.NewReader(bytes.NewReader(body))
	if err != nil {
		return nil
	}
	// Each entry has a header and up to a block of padding.
	const most = rego.MaxPolicyBytes + (rego.MaxPolicyEntries+2)*3*512
	unpacked := &io.LimitedReader{R: unzip, N: most}
	archive := tar.NewReader(unpacked)
	left := int64(rego.MaxPolicyBytes)
	for entries := 0; ; entries++ {
		header, err := archive.Next()
		if err == nil {
			left -= header.Size
		}
		switch {
		case left < 0 || unpacked.N <= 0:
			return fmt.Errorf("the archive unpacks to more than %d bytes", rego.MaxPolicyBytes)
		case entries > rego.MaxPolicyEntries:
			return fmt.Errorf("the archive has more than %d entries", rego.MaxPolicyEntries)
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return fmt.Errorf("the archive: %w", err)
		}
	}
}

// unmanaged is a plugin for which OPA's manager has nothing to do.
type unmanaged struct{}

func (unmanaged) Start(context.Context) error      { return nil }
func (unmanaged) Stop(context.Context)             {}
func (unmanaged) Reconfigure(context.Context, any) {}
