package attestor

import (
	"crypto/tls"
	"net"
	"path/filepath"
	"time"

	"github.com/spire-gatehouse/gatehouse/attestor/plugindata"
	"github.com/spire-gatehouse/gatehouse/tofu/postgres"
)

// Where claims are held.
const (
	claimsInMemory   = "memory"
	claimsInPostgres = "postgres"
)

const (
	// SPIRE stores an agent within milliseconds of the answer, or seconds where
	// its datastore is slow.
	defaultClaimTTL = 30 * time.Second

	defaultClaimsConnections = 10
	defaultClaimsTimeout     = 5 * time.Second

	// claimSlack is what an attestation may take beside its cloud calls and the
	// calls of the claims' database.
	claimSlack = 30 * time.Second
)

// claimsConfig is the block claims: how attestations of one node are kept apart.
type claimsConfig struct {
	// Backend is claimsInMemory or claimsInPostgres; what follows TTL is for the
	// latter alone.
	Backend string

	// TTL is how long a claim is kept after an accept.
	TTL time.Duration

	ConnectionString secret // it may have a password in it
	PasswordFile     string // empty for none
	MaxConnections   int
	Timeout          time.Duration // for each call of the database
}

func defaultClaims() claimsConfig {
	return claimsConfig{Backend: claimsInMemory, TTL: defaultClaimTTL}
}

// buildClaims reads the block claims.
func buildClaims(o *plugindata.Object) claimsConfig {
	c := defaultClaims()
	block, ok := o.Object("claims")
	if !ok {
		return c
	}
	c.Backend = textOr(block, "backend", claimsInMemory)
	c.TTL = durationBetween(block, "claim_ttl", minClaimTTL, maxClaimTTL, defaultClaimTTL)
	switch c.Backend {
	case claimsInMemory:
		for _, key := range []string{"connection_string", "password_file", "max_connections", "timeout"} {
			if block.Has(key) {
				block.Problem(key, `is for backend = "postgres"`)
			}
		}
	case claimsInPostgres:
		c.postgres(block)
	default:
		block.Problem("backend", `must be "memory" or "postgres"`)
		for _, key := range []string{"connection_string", "password_file", "max_connections", "timeout"} {
			block.Has(key) // known keys, whatever was meant
		}
	}
	return c
}

// postgres reads what says how the database is reached.
func (c *claimsConfig) postgres(block *plugindata.Object) {
	connection := textOr(block, "connection_string", "")
	c.ConnectionString = newSecret(connection)
	if lacks(block, "connection_string") {
		block.Problem("connection_string", `is missing: say which database, such as "host=db.example.org user=gatehouse dbname=gatehouse sslmode=verify-full"`)
	} else if _, err := postgres.Parse(connection); err != nil {
		block.Problem("connection_string", "%v", err)
	}
	if c.PasswordFile = textOr(block, "password_file", ""); c.PasswordFile != "" {
		if !filepath.IsAbs(c.PasswordFile) {
			block.Problem("password_file", "must be an absolute path")
		} else if _, err := postgres.ReadPassword(c.PasswordFile); err != nil {
			block.Problem("password_file", "%v", err)
		}
	}
	c.MaxConnections = defaultClaimsConnections
	if n, ok := block.Int("max_connections"); ok {
		c.MaxConnections = n
		if n < 1 || n > maxClaimsConnections {
			block.Problem("max_connections", "must be from 1 to %d; the default is %d", maxClaimsConnections, defaultClaimsConnections)
		}
	}
	c.Timeout = durationBetween(block, "timeout", minClaimsTimeout, maxClaimsTimeout, defaultClaimsTimeout)
}

// options are what the configuration says to the database's claims. The time for
// an attestation's cloud calls counts in how long a claim is held at most.
func (c claimsConfig) options(cloudTimeout time.Duration) postgres.Options {
	return postgres.Options{
		ConnectionString: c.ConnectionString.reveal(),
		PasswordFile:     c.PasswordFile,
		MaxConnections:   c.MaxConnections,
		Timeout:          c.Timeout,
		TTL:              c.TTL,
		Hold:             cloudTimeout + 2*c.Timeout + claimSlack,
	}
}

// policyConfig is what policies see of the block.
func (c claimsConfig) policyConfig() map[string]any {
	return map[string]any{"backend": c.Backend, "claim_ttl": c.TTL.String()}
}

// warnings are about a database that somebody on the way could play: what it
// answers decides who gets in.
func (c claimsConfig) warnings() []string {
	if c.Backend != claimsInPostgres {
		return nil
	}
	parsed, err := postgres.Parse(c.ConnectionString.reveal())
	if err != nil {
		return nil
	}
	unverified := func(host string, config *tls.Config) bool {
		local := filepath.IsAbs(host) || isLoopback(host)
		return !local && (config == nil || config.InsecureSkipVerify)
	}
	risky := unverified(parsed.ConnConfig.Host, parsed.ConnConfig.TLSConfig)
	for _, other := range parsed.ConnConfig.Fallbacks {
		risky = risky || unverified(other.Host, other.TLSConfig)
	}
	if !risky {
		return nil
	}
	return []string{"claims.connection_string: without sslmode=verify-full, whoever is between here and the database can answer in its place"}
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
