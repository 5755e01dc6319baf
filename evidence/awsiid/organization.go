package awsiid

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/organizations"
	orgtypes "github.com/aws/aws-sdk-go-v2/service/organizations/types"
)

// OrganizationOptions say where the accounts of the organization are listed: by
// Organizations, or in a file.
type OrganizationOptions struct {
	// ManagementAccountID is the account in which Role is assumed, in Region, to
	// list accounts.
	ManagementAccountID string
	Region              string
	Role                string

	// AccountListFile, instead of these three, has a JSON array of account IDs.
	AccountListFile string

	// TTL is how old a list may be.
	TTL time.Duration
}

// check refuses what could not work.
func (o OrganizationOptions) check() error {
	switch {
	case o.AccountListFile != "" && (o.ManagementAccountID != "" || o.Role != ""):
		return errors.New("accounts come from a file or from Organizations: both are given")
	case o.AccountListFile != "":
		return nil
	case !IsAccountID(o.ManagementAccountID):
		return fmt.Errorf("management account %.64q is not 12 digits", o.ManagementAccountID)
	case !IsRegion(o.Region):
		return fmt.Errorf("%.64q is not a region", o.Region)
	case !IsRoleName(o.Role):
		return fmt.Errorf("%.64q is not a role's name", o.Role)
	}
	return nil
}

// managementScope is where accounts are listed.
func (c *Collector) managementScope() Scope {
	partition := c.options.Partition
	if partition == "" {
		partition, _ = partitionOf(c.options.Organization.Region)
	}
	return Scope{
		Partition: partition,
		AccountID: c.options.Organization.ManagementAccountID,
		Region:    c.options.Organization.Region,
		Role:      c.options.Organization.Role,
	}
}

var errNoOrganization = errors.New("a policy asks for it, and no organization is configured (verify_organization)")

// organization gathers the fact "organization": what the organization says about
// the node's account, absent if it isn't a member. One that a cached list doesn't
// have, or not as active, is looked for in the next, which foreign accounts, however
// many, can make the collector fetch only once in a while.
func (g *gathering) organization(ctx context.Context) (any, error) {
	c := g.collector
	if c.accounts == nil {
		return nil, errNoOrganization
	}
	accounts, err := c.accounts.Ask(ctx, struct{}{}, func(accounts map[string]Organization) bool {
		account, ok := accounts[g.claims.AccountID]
		return ok && account.settled()
	})
	if err != nil {
		return nil, err
	}
	if account, ok := accounts[g.claims.AccountID]; ok {
		return account, nil
	}
	return nil, errAbsent
}

// settled says whether an answer is one that nobody hopes to change: that an account is
// not active may have passed since the list was read.
func (o Organization) settled() bool {
	return o.Source == SourceFile || cmp.Or(o.State, o.Status) == string(orgtypes.AccountStateActive)
}

// loadAccounts lists the accounts of the organization by their IDs.
func (c *Collector) loadAccounts(ctx context.Context, _ struct{}) (map[string]Organization, error) {
	if path := c.options.Organization.AccountListFile; path != "" {
		return readAccountList(path)
	}
	scope := c.managementScope()
	accounts, err := c.listAccounts(ctx, scope)
	if err != nil {
		return nil, fmt.Errorf("organizations:ListAccounts in %s: %w", scope, err)
	}
	return accounts, nil
}

func (c *Collector) listAccounts(ctx context.Context, scope Scope) (map[string]Organization, error) {
	client, err := c.clients.Organizations(ctx, scope)
	if err != nil {
		return nil, err
	}
	accounts := map[string]Organization{}
	err = eachPage(func(token *string) (*string, error) {
		out, err := client.ListAccounts(ctx, &organizations.ListAccountsInput{NextToken: token})
		switch {
		case err != nil:
			return nil, err
		case out == nil:
			return nil, errEmptyAnswer
		}
		for _, listed := range out.Accounts {
			id := aws.ToString(listed.Id)
			if id == "" {
				continue // nothing that could be looked up
			}
			// An account that moves between pages while they are read may come
			// twice: what came later is newer.
			if accounts[id], err = convertAccount(listed, scope.AccountID); err != nil {
				return nil, fmt.Errorf("the answer has %w", err)
			}
			if len(accounts) > maxAccounts {
				return nil, fmt.Errorf("the answer has more than %d accounts", maxAccounts)
			}
		}
		return out.NextToken, nil
	})
	return accounts, err
}
