package awsiid_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/organizations"
	orgtypes "github.com/aws/aws-sdk-go-v2/service/organizations/types"

	"github.com/spire-gatehouse/gatehouse/evidence"
	"github.com/spire-gatehouse/gatehouse/evidence/awsiid"
	"github.com/spire-gatehouse/gatehouse/internal/schematest"
)

const (
	member  = "123456789012"
	foreign = "999999999999"
)

var fromAPI = awsiid.OrganizationOptions{ManagementAccountID: "777777777777", Region: "us-west-2", Role: "lister", TTL: 3 * time.Minute}

// anOrganization answers with these accounts, one page each, an empty page in between.
type anOrganization struct {
	mu      sync.Mutex
	members []orgtypes.Account
}

func (o *anOrganization) add(account orgtypes.Account) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.members = append(o.members, account)
}

func (o *anOrganization) list(_ awsiid.Scope, in *organizations.ListAccountsInput) (*organizations.ListAccountsOutput, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	page := 0
	if in.NextToken != nil {
		if _, err := fmt.Sscan(*in.NextToken, &page); err != nil {
			return nil, err
		}
	}
	out := &organizations.ListAccountsOutput{}
	if at := page / 2; page%2 == 1 && at < len(o.members) {
		out.Accounts = o.members[at : at+1]
	}
	if page < 2*len(o.members) {
		out.NextToken = aws.String(fmt.Sprint(page + 1))
	}
	return out, nil
}

func TestOrganization(t *testing.T) {
	joined := time.Date(2020, 1, 1, 1, 0, 0, 0, time.FixedZone("", 3600))
	full := orgtypes.Account{
		Id: new(member), State: orgtypes.AccountStateActive, Status: orgtypes.AccountStatusSuspended, Name: new("web"),
		JoinedTimestamp: &joined, Paths: []string{"o-1/r-1/ou-1/"},
	}
	known := awsiid.Organization{AccountID: member, Source: "organizations", ManagementAccountID: "777777777777"}
	for name, tc := range map[string]struct {
		account orgtypes.Account
		want    func(*awsiid.Organization)
	}{
		"all": {full, func(o *awsiid.Organization) {
			o.State, o.Status, o.Name, o.Paths = "ACTIVE", "SUSPENDED", "web", []string{"o-1/r-1/ou-1/"}
			o.JoinedTime = time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)
		}},
		"state alone":  {orgtypes.Account{Id: new(member), State: "CLOSED"}, func(o *awsiid.Organization) { o.State = "CLOSED" }},
		"status alone": {orgtypes.Account{Id: new(member), Status: "ACTIVE"}, func(o *awsiid.Organization) { o.Status = "ACTIVE" }},
		"nothing":      {orgtypes.Account{Id: new(member)}, func(*awsiid.Organization) {}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				org := &anOrganization{members: []orgtypes.Account{{}, {Id: new("111111111111"), State: "SUSPENDED"}, tc.account}}
				c := &cloud{accounts: org.list}
				nodes := newFleet(t, awsiid.Options{Clients: c, Organization: &fromAPI})
				want := known
				tc.want(&want)
				got := gather(t, nodes.of(member), "organization")
				same(t, got, evidence.Known(want))
				schematest.Fact(t, "aws_iid", "organization", got.Value)
				const list = "aws/777777777777/us-west-2/lister ListAccounts"
				calls(t, c, list, list, list, list, list, list, list)
				same(t, gather(t, nodes.of("222222222222"), "organization"), evidence.Absent())
				calls(t, c) // the list is as new as the question
			})
		})
	}
}

// Whatever an attacker with many accounts does, a new member gets in within the
// time until the list may be fetched again, and no more than one list is fetched in
// it.
func TestOrganizationForeignAccountsBlockNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		org := &anOrganization{}
		org.add(orgtypes.Account{Id: new("111111111111"), State: "ACTIVE"})
		c := &cloud{accounts: org.list}
		nodes := newFleet(t, awsiid.Options{Clients: c, Organization: &fromAPI})
		var all sync.WaitGroup
		for second := range 60 {
			for i := range 5 {
				node := nodes.of(fmt.Sprintf("9%011d", 5*second+i))
				all.Go(func() { same(t, gather(t, node, "organization"), evidence.Absent()) })
			}
			time.Sleep(time.Second)
		}
		if got := len(c.asked()); got > 7*3 {
			t.Errorf("%d pages fetched in a minute, want at most 7 lists of 3", got)
		}
		org.add(orgtypes.Account{Id: new(member), State: "ACTIVE"})
		time.Sleep(time.Millisecond)
		began := time.Now()
		if got := gather(t, nodes.of(member), "organization"); got.Status != evidence.StatusKnown || time.Since(began) > 10*time.Second {
			t.Errorf("a new member, after %v: %+v", time.Since(began), got)
		}
		all.Wait()
		c.asked()
		for range 60 {
			gather(t, nodes.of(member), "organization")
			time.Sleep(time.Second)
		}
		calls(t, c)
		synctest.Wait()
	})
}

// An account that became active since the list was read gets in with the next, as a
// new member does.
func TestOrganizationReadsAgainForAnInactiveAccount(t *testing.T) {
	for name, tc := range map[string]struct{ before, after orgtypes.Account }{
		"by state":      {orgtypes.Account{State: "PENDING_ACTIVATION"}, orgtypes.Account{State: "ACTIVE"}},
		"by status":     {orgtypes.Account{Status: "SUSPENDED"}, orgtypes.Account{Status: "ACTIVE"}},
		"state first":   {orgtypes.Account{State: "SUSPENDED", Status: "ACTIVE"}, orgtypes.Account{State: "ACTIVE", Status: "SUSPENDED"}},
		"still the old": {orgtypes.Account{State: "SUSPENDED"}, orgtypes.Account{State: "SUSPENDED"}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				tc.before.Id, tc.after.Id = new(member), new(member)
				org := &anOrganization{members: []orgtypes.Account{tc.before}}
				c := &cloud{accounts: org.list}
				nodes := newFleet(t, awsiid.Options{Clients: c, Organization: &fromAPI})
				want := func(account orgtypes.Account) evidence.Fact {
					return evidence.Known(awsiid.Organization{AccountID: member, State: string(account.State), Status: string(account.Status), Source: "organizations", ManagementAccountID: "777777777777"})
				}
				same(t, gather(t, nodes.of(member), "organization"), want(tc.before))
				org.members[0] = tc.after
				time.Sleep(time.Second)
				began := time.Now()
				same(t, gather(t, nodes.of(member), "organization"), want(tc.after))
				if took := time.Since(began); took != 9*time.Second {
					t.Errorf("it took %v, want until the list may be read again", took)
				}
				const list = "aws/777777777777/us-west-2/lister ListAccounts"
				calls(t, c, list, list, list, list, list, list)
			})
		})
	}
}

func TestOrganizationListEnds(t *testing.T) {
	in := func(text string) evidence.Fact {
		return evidence.Failed(errors.New("awsiid: organizations:ListAccounts in account 777777777777, region us-west-2: " + text))
	}
	page := 0
	for name, tc := range map[string]struct {
		list func(*organizations.ListAccountsInput) (*organizations.ListAccountsOutput, error)
		want evidence.Fact
	}{
		"refused": {func(*organizations.ListAccountsInput) (*organizations.ListAccountsOutput, error) {
			return nil, errors.New("no")
		}, in("no")},
		"empty answer": {func(*organizations.ListAccountsInput) (*organizations.ListAccountsOutput, error) {
			return nil, nil
		}, in("an empty answer")},
		"empty token": {func(*organizations.ListAccountsInput) (*organizations.ListAccountsOutput, error) {
			return &organizations.ListAccountsOutput{NextToken: new("")}, nil
		}, evidence.Absent()},
		"in circles": {func(in *organizations.ListAccountsInput) (*organizations.ListAccountsOutput, error) {
			next := map[string]string{"": "a", "a": "b", "b": "a"}[aws.ToString(in.NextToken)]
			return &organizations.ListAccountsOutput{NextToken: &next}, nil
		}, in("the answer goes round in circles: the token of a page came twice")},
		"without end": {func(*organizations.ListAccountsInput) (*organizations.ListAccountsOutput, error) {
			page++
			return &organizations.ListAccountsOutput{NextToken: aws.String(fmt.Sprint(page))}, nil
		}, in("the answer has more than 5000 pages")},
		"many accounts": {func(*organizations.ListAccountsInput) (*organizations.ListAccountsOutput, error) {
			all := make([]orgtypes.Account, 50_001)
			for i := range all {
				all[i].Id = aws.String(fmt.Sprintf("%012d", i))
			}
			return &organizations.ListAccountsOutput{Accounts: all}, nil
		}, in("the answer has more than 50000 accounts")},
		"many paths": {func(*organizations.ListAccountsInput) (*organizations.ListAccountsOutput, error) {
			return &organizations.ListAccountsOutput{Accounts: []orgtypes.Account{{Id: new(member), Paths: make([]string, 65)}}}, nil
		}, in("the answer has 65 paths of an account, more than 64")},
		"a long path": {func(*organizations.ListAccountsInput) (*organizations.ListAccountsOutput, error) {
			return &organizations.ListAccountsOutput{Accounts: []orgtypes.Account{{Id: new(member), Paths: []string{strings.Repeat("p", 1025)}}}}, nil
		}, in("the answer has 1025 bytes in one field, more than 1024")},
	} {
		t.Run(name, func(t *testing.T) {
			c := &cloud{accounts: func(_ awsiid.Scope, in *organizations.ListAccountsInput) (*organizations.ListAccountsOutput, error) {
				return tc.list(in)
			}}
			same(t, gather(t, newFleet(t, awsiid.Options{Clients: c, Organization: &fromAPI}).of(member), "organization"), tc.want)
		})
	}
}

// The partition of the organization's role is the configured one, else that of the
// region where it is assumed: never that of the node.
func TestOrganizationPartition(t *testing.T) {
	china := fromAPI
	china.Region = "cn-northwest-1"
	for name, tc := range map[string]struct {
		options awsiid.Options
		want    string
	}{
		"of the region": {awsiid.Options{Organization: &china}, "aws-cn/777777777777/cn-northwest-1/lister ListAccounts"},
		"configured":    {awsiid.Options{Organization: &fromAPI, Partition: "aws-us-gov"}, "aws-us-gov/777777777777/us-west-2/lister ListAccounts"},
	} {
		t.Run(name, func(t *testing.T) {
			c := &cloud{accounts: func(awsiid.Scope, *organizations.ListAccountsInput) (*organizations.ListAccountsOutput, error) {
				return &organizations.ListAccountsOutput{}, nil
			}}
			tc.options.Clients = c
			gather(t, newFleet(t, tc.options).of(member), "organization")
			calls(t, c, tc.want)
		})
	}
}

func TestOrganizationFromFile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "accounts.json")
		write := func(text string) {
			t.Helper()
			if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		write(`["123456789012"]`)
		nodes := newFleet(t, awsiid.Options{Organization: &awsiid.OrganizationOptions{AccountListFile: path, TTL: time.Minute}})
		got := gather(t, nodes.of(member), "organization")
		same(t, got, evidence.Known(awsiid.Organization{AccountID: member, Source: "file"}))
		schematest.Fact(t, "aws_iid", "organization", got.Value)
		same(t, gather(t, nodes.of(foreign), "organization"), evidence.Absent())

		write(`["123456789012", "999999999999"]`)
		time.Sleep(11 * time.Second)
		same(t, gather(t, nodes.of(foreign), "organization"), evidence.Known(awsiid.Organization{AccountID: foreign, Source: "file"}))

		write(`["999999999999"]`)
		time.Sleep(61 * time.Second)
		same(t, gather(t, nodes.of(member), "organization"), evidence.Absent())

		write(`{`)
		time.Sleep(61 * time.Second)
		same(t, gather(t, nodes.of(member), "organization"),
			evidence.Failed(errors.New("awsiid: account list "+path+": not a JSON array of account IDs: unexpected end of JSON input")))
		synctest.Wait()
	})
}

func TestCheckAccountList(t *testing.T) {
	dir := t.TempDir()
	for name, tc := range map[string]struct{ text, want string }{
		"good":          {`[ "123456789012", "123456789012" ]`, ""},
		"empty list":    {`[]`, ""},
		"empty file":    {``, "account list FILE: not a JSON array of account IDs: unexpected end of JSON input"},
		"null":          {`null`, "account list FILE: not a JSON array of account IDs"},
		"object":        {`{"a": 1}`, "account list FILE: not a JSON array of account IDs: json: cannot unmarshal object into Go value of type []string"},
		"number":        {`[123456789012]`, "account list FILE: not a JSON array of account IDs: json: cannot unmarshal number into Go value of type string"},
		"null in it":    {`["123456789012", null]`, "account list FILE: entry 2 is not an account ID of 12 digits"},
		"short":         {`["12345678901"]`, "account list FILE: entry 1 is not an account ID of 12 digits"},
		"a second list": {`[] []`, "account list FILE: not a JSON array of account IDs: invalid character '[' after top-level value"},
		"large":         {strings.Repeat(" ", 1<<20) + "[]", "account list: FILE has more than 1048576 bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(dir, "accounts.json")
			if err := os.WriteFile(path, []byte(tc.text), 0o600); err != nil {
				t.Fatal(err)
			}
			want := strings.ReplaceAll(tc.want, "FILE", path)
			if err := awsiid.CheckAccountList(path); want == "" && err != nil || want != "" && (err == nil || err.Error() != want) {
				t.Errorf("got  %v\nwant %s", err, want)
			}
		})
	}
	if err := awsiid.CheckAccountList(filepath.Join(dir, "none")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a missing file: %v", err)
	}
	if err := awsiid.CheckAccountList(dir); err == nil || err.Error() != "account list: "+dir+" is not a file" {
		t.Errorf("a directory: %v", err)
	}
}
