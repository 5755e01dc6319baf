package aws_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/xml"
	"io"
	"net/http"
	"testing"
	"time"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/spire-gatehouse/gatehouse/e2e/standin"
	"github.com/spire-gatehouse/gatehouse/e2e/standin/aws"
)

// raw is a request that a case may spoil before and after it is signed.
type raw struct {
	body, contentType string
	keyID, secret     string
	service, region   string
	at                time.Time
	after             func(*http.Request)
}

func (f fixture) send(t *testing.T, r raw) (int, string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, f.url+"/", bytes.NewReader([]byte(r.body)))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", r.contentType)
	digest := sha256.Sum256([]byte(r.body))
	err = v4.NewSigner().SignHTTP(t.Context(), awssdk.Credentials{AccessKeyID: r.keyID, SecretAccessKey: r.secret},
		request, hex.EncodeToString(digest[:]), r.service, r.region, r.at)
	if err != nil {
		t.Fatal(err)
	}
	if r.after != nil {
		r.after(request)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	var answer struct {
		EC2    string `xml:"Errors>Error>Code"`
		Common string `xml:"Error>Code"`
	}
	if err := xml.Unmarshal(text, &answer); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	return response.StatusCode, answer.EC2 + answer.Common
}

func TestRefusesWhatAWSRefuses(t *testing.T) {
	f := start(t)
	const identity = "Action=GetCallerIdentity&Version=2011-06-15"
	cases := []struct {
		name   string
		change func(*raw)
		status int
		code   string
	}{
		{"good", func(*raw) {}, 200, ""},
		{"unsigned", func(r *raw) { r.after = func(r *http.Request) { r.Header.Del("Authorization") } }, 403, "MissingAuthenticationToken"},
		{"basic authentication", func(r *raw) { r.after = func(r *http.Request) { r.SetBasicAuth("a", "b") } }, 400, "IncompleteSignature"},
		{"unknown key", func(r *raw) { r.keyID = "AKIAUNKNOWN" }, 403, "InvalidClientTokenId"},
		{"wrong secret", func(r *raw) { r.secret = "wrong" }, 403, "SignatureDoesNotMatch"},
		{"foreign session token", func(r *raw) {
			r.after = func(r *http.Request) { r.Header.Set("X-Amz-Security-Token", "x") }
		}, 403, "InvalidClientTokenId"},
		{"changed body", func(r *raw) {
			r.after = func(r *http.Request) {
				r.Body = io.NopCloser(bytes.NewReader([]byte("Action=GetCallerIdentity&Version=2011-06-16")))
			}
		}, 403, "SignatureDoesNotMatch"},
		{"added header", func(r *raw) {
			r.after = func(r *http.Request) { r.Header.Set("X-Amz-Meta", "x") }
		}, 403, "SignatureDoesNotMatch"},
		{"16 minutes old", func(r *raw) { r.at = r.at.Add(-16 * time.Minute) }, 403, "SignatureDoesNotMatch"},
		{"16 minutes ahead", func(r *raw) { r.at = r.at.Add(16 * time.Minute) }, 403, "SignatureDoesNotMatch"},
		{"14 minutes old", func(r *raw) { r.at = r.at.Add(-14 * time.Minute) }, 200, ""},
		{"unknown region", func(r *raw) { r.region = "mars-north-1" }, 403, "SignatureDoesNotMatch"},
		{"unknown service", func(r *raw) { r.service = "s3" }, 403, "SignatureDoesNotMatch"},
		{"unknown action", func(r *raw) { r.body = "Action=GetSessionToken&Version=2011-06-15" }, 400, "InvalidAction"},
		{"action of another service", func(r *raw) { r.body = "Action=DescribeInstances&Version=2011-06-15" }, 400, "InvalidAction"},
		{"no action", func(r *raw) { r.body = "Version=2011-06-15" }, 400, "MissingAction"},
		{"two actions", func(r *raw) { r.body = identity + "&Action=AssumeRole" }, 400, "InvalidParameterValue"},
		{"other version", func(r *raw) { r.body = "Action=GetCallerIdentity&Version=2016-11-15" }, 400, "NoSuchVersion"},
		{"unknown parameter", func(r *raw) { r.body = identity + "&Colour=red" }, 400, "UnknownParameter"},
		{"json", func(r *raw) { r.contentType = "application/json" }, 400, "InvalidRequest"},
		{"ec2: wrong secret", func(r *raw) { r.service, r.secret = "ec2", "wrong" }, 401, "AuthFailure"},
		{"ec2: old", func(r *raw) { r.service, r.at = "ec2", r.at.Add(-time.Hour) }, 400, "RequestExpired"},
		{"ec2: unknown parameter", func(r *raw) {
			r.service, r.body = "ec2", "Action=DescribeInstances&Version=2016-11-15&InstanceId=i-1"
		}, 400, "UnknownParameter"},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			r := raw{body: identity, contentType: "application/x-www-form-urlencoded; charset=utf-8",
				keyID: keyID, secret: secret, service: "sts", region: region, at: time.Now()}
			tc.change(&r)
			status, code := f.send(t, r)
			if status != tc.status || code != tc.code {
				t.Errorf("got %d %s, want %d %s", status, code, tc.status, tc.code)
			}
		})
	}
}

// TestTemporaryKeyExpires moves the world's clock past a session's end.
func TestTemporaryKeyExpires(t *testing.T) {
	now := time.Now()
	world := aws.NewWorld(func() time.Time { return now })
	world.AddUser(account, keyID, secret)
	world.PutRole(account, aws.Role{Name: "self", TrustedAccounts: []string{account}})
	listener, err := standin.Listen(t.Context(), aws.New(world))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(listener.Close)
	f := fixture{url: listener.URL}
	output, err := sts.NewFromConfig(f.config(keyID, secret, "")).AssumeRole(t.Context(), &sts.AssumeRoleInput{
		RoleArn: awssdk.String("arn:aws:iam::" + account + ":role/self"), RoleSessionName: awssdk.String("test"), DurationSeconds: awssdk.Int32(900)})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := output.Credentials.Expiration.UTC(), now.Add(15*time.Minute).UTC().Truncate(time.Millisecond); !got.Equal(want) {
		t.Errorf("expiration: got %s, want %s", got, want)
	}
	now = now.Add(15 * time.Minute)
	c := output.Credentials
	_, err = sts.NewFromConfig(f.config(*c.AccessKeyId, *c.SecretAccessKey, *c.SessionToken)).GetCallerIdentity(t.Context(), nil)
	if err == nil || code(t, err) != "ExpiredToken" {
		t.Errorf("after expiry: got %v", err)
	}
}
