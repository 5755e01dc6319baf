package imds_test

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/feature/ec2/imds"

	"github.com/spire-gatehouse/gatehouse/e2e/standin"
	standinimds "github.com/spire-gatehouse/gatehouse/e2e/standin/imds"
)

const (
	document  = "/latest/dynamic/instance-identity/document"
	tokenPath = "/latest/api/token"
	ttl       = "X-aws-ec2-metadata-token-ttl-seconds"
	token     = "X-aws-ec2-metadata-token"
)

// clock is a time that a test moves.
type clock struct{ now time.Time }

func (c *clock) Now() time.Time { return c.now }

func start(t *testing.T) (string, *clock) {
	t.Helper()
	c := &clock{now: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}
	server := standinimds.New(standinimds.Identity{Document: `{"a":1}`, Signature: "c2ln", RSA2048: "MIAG"}, c.Now)
	listener, err := standin.Listen(t.Context(), server)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(listener.Close)
	return listener.URL, c
}

// do makes one request and returns the status and the body.
func do(t *testing.T, method, url string, header map[string]string) (int, string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range header {
		request.Header.Set(name, value)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(body)
}

func TestSDKReadsIdentity(t *testing.T) {
	url, _ := start(t)
	client := imds.New(imds.Options{Endpoint: url})
	for path, want := range map[string]string{"document": `{"a":1}`, "signature": "c2ln", "rsa2048": "MIAG"} {
		output, err := client.GetDynamicData(t.Context(), &imds.GetDynamicDataInput{Path: "instance-identity/" + path})
		if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		got, err := io.ReadAll(output.Content)
		if err != nil {
			t.Fatal(err)
		}
		if string(got) != want {
			t.Errorf("%s: got %q, want %q", path, got, want)
		}
	}
}

func TestRefusesWhatTheServiceRefuses(t *testing.T) {
	url, _ := start(t)
	status, good := do(t, "PUT", url+tokenPath, map[string]string{ttl: "60"})
	if status != http.StatusOK || good == "" {
		t.Fatalf("token: %d %q", status, good)
	}
	cases := []struct {
		name, method, path string
		header             map[string]string
		want               int
	}{
		{"good token", "GET", document, map[string]string{token: good}, 200},
		{"no token", "GET", document, nil, 401},
		{"foreign token", "GET", document, map[string]string{token: strings.Repeat("0", len(good))}, 401},
		{"post", "POST", document, map[string]string{token: good}, 405},
		{"unknown path", "GET", "/latest/meta-data/iam", map[string]string{token: good}, 404},
		{"version 1 of another path", "GET", "/latest/meta-data/", nil, 401},
		{"behind a proxy", "GET", document, map[string]string{token: good, "X-Forwarded-For": "10.0.0.1"}, 403},
		{"token by get", "GET", tokenPath, map[string]string{ttl: "60"}, 405},
		{"token without lifetime", "PUT", tokenPath, nil, 400},
		{"token without a number", "PUT", tokenPath, map[string]string{ttl: "long"}, 400},
		{"token of no lifetime", "PUT", tokenPath, map[string]string{ttl: "0"}, 400},
		{"token of a day", "PUT", tokenPath, map[string]string{ttl: "86400"}, 400},
		{"token through a proxy", "PUT", tokenPath, map[string]string{ttl: "60", "X-Forwarded-For": "10.0.0.1"}, 403},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			if got, body := do(t, tc.method, url+tc.path, tc.header); got != tc.want {
				t.Errorf("got %d %q, want %d", got, body, tc.want)
			}
		})
	}
}

func TestTokenExpires(t *testing.T) {
	url, clock := start(t)
	_, issued := do(t, "PUT", url+tokenPath, map[string]string{ttl: "60"})
	clock.now = clock.now.Add(59 * time.Second)
	if status, _ := do(t, "GET", url+document, map[string]string{token: issued}); status != 200 {
		t.Errorf("after 59 s: got %d, want 200", status)
	}
	clock.now = clock.now.Add(time.Second)
	if status, _ := do(t, "GET", url+document, map[string]string{token: issued}); status != 401 {
		t.Errorf("after 60 s: got %d, want 401", status)
	}
}
