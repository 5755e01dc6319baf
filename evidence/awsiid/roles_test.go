package awsiid_test

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/organizations"

	"github.com/spire-gatehouse/gatehouse/evidence"
	"github.com/spire-gatehouse/gatehouse/evidence/awsiid"
)

const assumeAnswer = `<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleResult><Credentials>
<AccessKeyId>%s</AccessKeyId><SecretAccessKey>s</SecretAccessKey><SessionToken>t</SessionToken><Expiration>%s</Expiration>
</Credentials></AssumeRoleResult></AssumeRoleResponse>`

// anSTS lends the credentials of any role, which have its account as their name,
// and notes who asked for what, and whose calls came.
type anSTS struct {
	mu    sync.Mutex
	calls []string
	life  time.Duration
	other http.HandlerFunc
}

func (s *anSTS) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if err := r.ParseForm(); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	// AWS4-HMAC-SHA256 Credential=KEY/DATE/REGION/SERVICE/aws4_request, …
	signer := strings.Split(strings.TrimPrefix(strings.Fields(r.Header.Get("Authorization"))[1], "Credential="), "/")
	call := fmt.Sprintf("%s %s in %s", signer[0], cmp.Or(r.PostForm.Get("Action"), r.Header.Get("X-Amz-Target")), signer[2])
	arn := r.PostForm.Get("RoleArn")
	if arn != "" {
		call += " " + arn + " " + r.PostForm.Get("RoleSessionName")
	}
	if token := r.Header.Get("X-Amz-Security-Token"); token != "" {
		call += " with token " + token
	}
	s.mu.Lock()
	s.calls = append(s.calls, call)
	s.mu.Unlock()
	if arn != "" {
		fmt.Fprintf(w, assumeAnswer, strings.Split(arn, ":")[4], time.Now().Add(s.life).UTC().Format(time.RFC3339))
		return
	}
	s.other(w, r)
}

// Roles are assumed once for an account, in the server's region if it is known, and
// with the server's credentials: also that of the organization.
func TestRoles(t *testing.T) {
	scope := func(account, region, role string) awsiid.Scope {
		return awsiid.Scope{Partition: "aws", AccountID: account, Region: region, Role: role}
	}
	for name, tc := range map[string]struct {
		own    string
		scopes []awsiid.Scope
		want   []string
	}{
		"one account, two regions, the server's known": {"eu-west-1", []awsiid.Scope{scope("1", "us-east-1", "p/r"), scope("1", "us-west-2", "p/r"), scope("1", "us-east-1", "p/r")}, []string{
			"STATIC AssumeRole in eu-west-1 arn:aws:iam::1:role/p/r gatehouse with token own",
			"1 DescribeInstances in us-east-1 with token t",
			"1 DescribeInstances in us-west-2 with token t",
			"1 DescribeInstances in us-east-1 with token t",
		}},
		"not known": {"", []awsiid.Scope{scope("1", "us-east-1", "r"), scope("1", "us-west-2", "r"), scope("1", "us-east-1", "r")}, []string{
			"STATIC AssumeRole in us-east-1 arn:aws:iam::1:role/r gatehouse with token own",
			"1 DescribeInstances in us-east-1 with token t",
			"STATIC AssumeRole in us-west-2 arn:aws:iam::1:role/r gatehouse with token own",
			"1 DescribeInstances in us-west-2 with token t",
			"1 DescribeInstances in us-east-1 with token t",
		}},
		"in another partition": {"eu-west-1", []awsiid.Scope{{Partition: "aws-cn", AccountID: "1", Region: "cn-north-1", Role: "r"}}, []string{
			"STATIC AssumeRole in cn-north-1 arn:aws-cn:iam::1:role/r gatehouse with token own",
			"1 DescribeInstances in cn-north-1 with token t",
		}},
		"two accounts": {"eu-west-1", []awsiid.Scope{scope("1", "us-east-1", "r"), scope("2", "us-east-1", "r")}, []string{
			"STATIC AssumeRole in eu-west-1 arn:aws:iam::1:role/r gatehouse with token own",
			"1 DescribeInstances in us-east-1 with token t",
			"STATIC AssumeRole in eu-west-1 arn:aws:iam::2:role/r gatehouse with token own",
			"2 DescribeInstances in us-east-1 with token t",
		}},
		"none": {"eu-west-1", []awsiid.Scope{scope("1", "us-east-1", "")}, []string{"STATIC DescribeInstances in us-east-1 with token own"}},
	} {
		t.Run(name, func(t *testing.T) {
			sts := &anSTS{life: time.Hour, other: func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, describeAnswer) }}
			clients := sdkClients(t, awsiid.Credentials{AccessKeyID: "STATIC", SecretAccessKey: "s", SessionToken: "own"}, sts.ServeHTTP, "AWS_REGION="+tc.own)
			for _, scope := range tc.scopes {
				client, err := clients.EC2(t.Context(), scope)
				if err != nil {
					t.Fatal(err)
				}
				if _, err := client.DescribeInstances(t.Context(), &ec2.DescribeInstancesInput{}); err != nil {
					t.Fatal(err)
				}
			}
			if !slices.Equal(sts.calls, tc.want) {
				t.Errorf("calls\n%s\nwant\n%s", strings.Join(sts.calls, "\n"), strings.Join(tc.want, "\n"))
			}
		})
	}
}

func TestRoleCredentialsAreRenewed(t *testing.T) {
	sts := &anSTS{life: 30 * time.Second, other: func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{"Accounts":[]}`) }}
	clients := sdkClients(t, awsiid.Credentials{AccessKeyID: "STATIC", SecretAccessKey: "s"}, sts.ServeHTTP)
	client, err := clients.Organizations(t.Context(), awsiid.Scope{Partition: "aws", AccountID: "1", Region: "us-west-2", Role: "r"})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, err := client.ListAccounts(t.Context(), &organizations.ListAccountsInput{}); err != nil {
			t.Fatal(err)
		}
	}
	want := []string{
		"STATIC AssumeRole in us-west-2 arn:aws:iam::1:role/r gatehouse", "1 AWSOrganizationsV20161128.ListAccounts in us-west-2 with token t",
		"STATIC AssumeRole in us-west-2 arn:aws:iam::1:role/r gatehouse", "1 AWSOrganizationsV20161128.ListAccounts in us-west-2 with token t",
	}
	if !slices.Equal(sts.calls, want) {
		t.Errorf("calls\n%s\nwant\n%s", strings.Join(sts.calls, "\n"), strings.Join(want, "\n"))
	}
}

// Accounts, however many, fill no more than the room there is. A client whose place
// was taken still works, and so does a new one in its stead.
func TestSDKClientsAreBounded(t *testing.T) {
	const room, accounts = 1024, 1024 + 50
	sts := &anSTS{life: time.Hour, other: func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, describeAnswer) }}
	clients := sdkClients(t, awsiid.Credentials{AccessKeyID: "STATIC", SecretAccessKey: "s"}, sts.ServeHTTP)
	client := func(account int) awsiid.EC2 {
		t.Helper()
		got, err := clients.EC2(t.Context(), awsiid.Scope{Partition: "aws", AccountID: fmt.Sprint(account), Region: "us-east-1", Role: "r"})
		if err != nil {
			t.Fatal(err)
		}
		if sets, roles := clients.Kept(); sets > room || roles > room {
			t.Fatalf("%d sets of clients and %d roles are kept, want at most %d", sets, roles, room)
		}
		return got
	}
	use := func(client awsiid.EC2) {
		t.Helper()
		if _, err := client.DescribeInstances(t.Context(), &ec2.DescribeInstancesInput{}); err != nil {
			t.Error(err)
		}
	}
	held := client(1)
	use(held)
	var last awsiid.EC2
	for account := 2; account <= accounts; account++ {
		last = client(account)
	}
	if sets, roles := clients.Kept(); sets != room || roles != room {
		t.Errorf("%d sets of clients and %d roles are kept, want %d of each", sets, roles, room)
	}
	use(held)      // with the credentials that it has
	use(client(1)) // with new ones
	use(last)
	want := []string{
		"STATIC AssumeRole in us-east-1 arn:aws:iam::1:role/r gatehouse", "1 DescribeInstances in us-east-1 with token t",
		"1 DescribeInstances in us-east-1 with token t",
		"STATIC AssumeRole in us-east-1 arn:aws:iam::1:role/r gatehouse", "1 DescribeInstances in us-east-1 with token t",
		"STATIC AssumeRole in us-east-1 arn:aws:iam::1074:role/r gatehouse", "1074 DescribeInstances in us-east-1 with token t",
	}
	if !slices.Equal(sts.calls, want) {
		t.Errorf("calls\n%s\nwant\n%s", strings.Join(sts.calls, "\n"), strings.Join(want, "\n"))
	}
}

// endsWhenRetried is a service that always fails, so that the SDK tries again. By then
// the time is over.
func endsWhenRetried(cancel context.CancelCauseFunc, answer string) http.HandlerFunc {
	var calls atomic.Int64
	return func(w http.ResponseWriter, _ *http.Request) {
		if calls.Add(1) > 1 {
			cancel(context.DeadlineExceeded)
		}
		w.WriteHeader(http.StatusServiceUnavailable)
		fmt.Fprint(w, answer)
	}
}

// What a call was retried for is said, although it is the deadline that ends it.
func TestDeadlineNamesTheLastError(t *testing.T) {
	const throttled = `<Response><Errors><Error><Code>RequestLimitExceeded</Code><Message>slow down</Message></Error></Errors><RequestID>r</RequestID></Response>`
	ctx, cancel := context.WithCancelCause(t.Context())
	clients := sdkClients(t, awsiid.Credentials{}, endsWhenRetried(cancel, throttled), "AWS_MAX_ATTEMPTS=100")
	got := attested(t, clients).Gather(ctx, []string{"instance"})["instance"]
	if got.Status != evidence.StatusError {
		t.Fatalf("got %+v", got)
	}
	for _, want := range []string{"; what failed before that: ec2:DescribeInstances in the server's own account, region us-east-1: ", "RequestLimitExceeded: slow down"} {
		if !strings.Contains(got.Err.Error(), want) {
			t.Errorf("error %v\nwant one with %s", got.Err, want)
		}
	}
}

// The same when it is the role that can't be assumed.
func TestDeadlineNamesTheRole(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	const later = `<ErrorResponse><Error><Code>ServiceUnavailable</Code><Message>later</Message></Error></ErrorResponse>`
	clients := sdkClients(t, awsiid.Credentials{}, endsWhenRetried(cancel, later), "AWS_MAX_ATTEMPTS=100")
	ours, _ := authorities(t)
	f := &fleet{t, collecting(t, awsiid.Options{Clients: clients, AssumeRole: "reader", Now: func() time.Time { return now }}, ours)}
	got := f.node(testRegion, nil).Gather(ctx, []string{"instance"})["instance"]
	want := "; what failed before that: sts:AssumeRole in account 123456789012, region us-east-1: "
	if got.Status != evidence.StatusError || !strings.Contains(got.Err.Error(), want) {
		t.Errorf("got %+v\nwant an error with %s", got, want)
	}
}

func TestAnswersAreBounded(t *testing.T) {
	clients := sdkClients(t, awsiid.Credentials{}, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, `{"nodegroups":[]`, strings.Repeat(" ", 33<<20), `}`)
	})
	f := newFleet(t, awsiid.Options{Clients: clients, EKSClusters: []string{"blue"}})
	got := gather(t, f.node(testRegion, nil), "eks")
	if got.Status != evidence.StatusError || !strings.Contains(got.Err.Error(), "an answer of more than 33554432 bytes") {
		t.Errorf("got %+v", got)
	}
}
