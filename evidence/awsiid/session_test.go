package awsiid_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"

	"github.com/spire-gatehouse/gatehouse/evidence"
	"github.com/spire-gatehouse/gatehouse/evidence/awsiid"
)

const describeAnswer = `<?xml version="1.0" encoding="UTF-8"?>
<DescribeInstancesResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15/"><requestId>r</requestId><reservationSet><item>
<ownerId>123456789012</ownerId><instancesSet><item><instanceId>i-0b22a22eec53b9321</instanceId>
<instanceState><code>16</code><name>running</name></instanceState><networkInterfaceSet><item><networkInterfaceId>eni-1</networkInterfaceId></item></networkInterfaceSet>
</item></instancesSet></item></reservationSet></DescribeInstancesResponse>`

const notFoundAnswer = `<?xml version="1.0" encoding="UTF-8"?>
<Response><Errors><Error><Code>InvalidInstanceID.NotFound</Code><Message>none</Message></Error></Errors><RequestID>r</RequestID></Response>`

const deniedAnswer = `<?xml version="1.0" encoding="UTF-8"?>
<Response><Errors><Error><Code>UnauthorizedOperation</Code><Message>no</Message></Error></Errors><RequestID>r</RequestID></Response>`

// sdkClients returns clients of the real SDK that talk to a server here, and to
// nothing else.
func sdkClients(t *testing.T, keys awsiid.Credentials, handler http.HandlerFunc, environment ...string) *awsiid.SDKClients {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	none := filepath.Join(t.TempDir(), "none")
	for name, value := range map[string]string{
		"AWS_ENDPOINT_URL": server.URL, "AWS_EC2_METADATA_DISABLED": "true", "AWS_MAX_ATTEMPTS": "1",
		"AWS_CONFIG_FILE": none, "AWS_SHARED_CREDENTIALS_FILE": none, "AWS_PROFILE": "", "AWS_REGION": "", "AWS_SESSION_TOKEN": "",
		"AWS_ACCESS_KEY_ID": "FROMENVIRONMENT", "AWS_SECRET_ACCESS_KEY": "secret",
	} {
		t.Setenv(name, value)
	}
	for _, variable := range environment {
		name, value, _ := strings.Cut(variable, "=")
		t.Setenv(name, value)
	}
	clients, err := awsiid.NewSDKClients(context.Background(), keys)
	if err != nil {
		t.Fatal(err)
	}
	return clients
}

func TestSDKClients(t *testing.T) {
	known := evidence.Known(awsiid.Instance{
		ID: testInstance, State: "running", OwnerID: "123456789012", Tags: map[string]string{}, SecurityGroups: []awsiid.SecurityGroup{},
		NetworkInterfaces: []awsiid.NetworkInterface{{ID: "eni-1", PrivateIPs: []string{}}}, BlockDevices: []awsiid.BlockDevice{},
	})
	for name, tc := range map[string]struct {
		keys   awsiid.Credentials
		status int
		body   string
		signer string
		want   evidence.Fact
		failed string // part of the error
	}{
		"static keys":    {awsiid.Credentials{AccessKeyID: "STATIC", SecretAccessKey: "s"}, 200, describeAnswer, "STATIC", known, ""},
		"default chain":  {awsiid.Credentials{}, 200, describeAnswer, "FROMENVIRONMENT", known, ""},
		"not found":      {awsiid.Credentials{}, 400, notFoundAnswer, "FROMENVIRONMENT", evidence.Absent(), ""},
		"denied":         {awsiid.Credentials{}, 403, deniedAnswer, "FROMENVIRONMENT", evidence.Fact{Status: evidence.StatusError}, "UnauthorizedOperation"},
		"not an answer":  {awsiid.Credentials{}, 200, "<html>", "FROMENVIRONMENT", evidence.Fact{Status: evidence.StatusError}, "deserialization"},
		"internal error": {awsiid.Credentials{}, 500, "", "FROMENVIRONMENT", evidence.Fact{Status: evidence.StatusError}, "500"},
	} {
		t.Run(name, func(t *testing.T) {
			var form, authorization string
			clients := sdkClients(t, tc.keys, func(w http.ResponseWriter, r *http.Request) {
				if err := r.ParseForm(); err != nil {
					t.Error(err)
				}
				form, authorization = r.PostForm.Encode(), r.Header.Get("Authorization")
				w.WriteHeader(tc.status)
				w.Write([]byte(tc.body))
			})
			got := attested(t, clients).Gather(context.Background(), []string{"instance"})["instance"]
			if got.Status != tc.want.Status || !reflect.DeepEqual(got.Value, tc.want.Value) {
				t.Errorf("got  %+v\nwant %+v", got, tc.want)
			}
			if tc.failed != "" && (got.Err == nil || !strings.Contains(got.Err.Error(), tc.failed)) {
				t.Errorf("error %v, want one about %s", got.Err, tc.failed)
			}
			if want := "Action=DescribeInstances&InstanceId.1=i-0b22a22eec53b9321&Version=2016-11-15"; form != want {
				t.Errorf("asked %s, want %s", form, want)
			}
			if !strings.Contains(authorization, "Credential="+tc.signer+"/") || !strings.Contains(authorization, "/us-east-1/ec2/aws4_request") {
				t.Errorf("signed with %s, want key %s and region us-east-1", authorization, tc.signer)
			}
		})
	}
}

func TestSDKClientsKeepOneSetForEachScope(t *testing.T) {
	clients := sdkClients(t, awsiid.Credentials{}, nil)
	client := func(account, region, role string) awsiid.EC2 {
		got, err := clients.EC2(context.Background(), awsiid.Scope{Partition: "aws", AccountID: account, Region: region, Role: role})
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	kept := client("1", "us-east-1", "r")
	for name, other := range map[string]awsiid.EC2{
		"account": client("2", "us-east-1", "r"), "region": client("1", "us-west-2", "r"), "role": client("1", "us-east-1", "s"),
	} {
		if other == kept {
			t.Errorf("the client of another %s is the same", name)
		}
	}
	if client("1", "us-east-1", "") != client("2", "us-east-1", "") {
		t.Error("without a role, the clients of two accounts differ")
	}
	dropped := client("3", "us-east-1", "r")
	// As many as are kept at most, and the first one used in between.
	for i := range 1024 {
		client("4", "us-east-"+strings.Repeat("x", i), "r")
		if client("1", "us-east-1", "r") != kept {
			t.Fatal("the client used last was dropped")
		}
	}
	if client("3", "us-east-1", "r") == dropped {
		t.Error("no client was dropped")
	}
}

func TestNewSDKClientsWantsBothKeys(t *testing.T) {
	want := "awsiid: an access key ID and a secret access key go together: one is missing"
	for _, keys := range []awsiid.Credentials{{AccessKeyID: "a"}, {SecretAccessKey: "s"}, {SessionToken: "t"}} {
		if _, err := awsiid.NewSDKClients(context.Background(), keys); err == nil || err.Error() != want {
			t.Errorf("%+v: got %v", keys, err)
		}
	}
}

// A redirect, which AWS's APIs have no use for, is an answer that can't be read:
// wherever it points to hears nothing.
func TestRedirectsAreNotFollowed(t *testing.T) {
	elsewhere := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { t.Errorf("asked %s", r.URL) }))
	t.Cleanup(elsewhere.Close)
	for _, code := range []int{http.StatusMovedPermanently, http.StatusFound, http.StatusTemporaryRedirect, http.StatusPermanentRedirect} {
		clients := sdkClients(t, awsiid.Credentials{}, func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, elsewhere.URL, code)
		})
		got := attested(t, clients).Gather(context.Background(), []string{"instance"})["instance"]
		if got.Status != evidence.StatusError || !strings.Contains(got.Err.Error(), strconv.Itoa(code)) {
			t.Errorf("%d: got %+v", code, got)
		}
	}
}
