package azuremsi

import (
	"cmp"
	"strings"
	"time"
)

// Claims are what a verified token says, and how it was verified: the document
// that policy sees as input.evidence. The token itself is not in it.
type Claims struct {
	// TenantID is tid, in lower case.
	TenantID string `json:"tenant_id"`

	// PrincipalID is sub, exactly as signed. SPIRE calls it so in agent paths.
	PrincipalID string `json:"principal_id"`

	// ObjectID is oid: the principal's object ID in its tenant, in lower case. Of
	// a managed identity it is equal to PrincipalID.
	ObjectID string `json:"object_id,omitempty"`

	// Audience is aud. A token has exactly one.
	Audience string `json:"audience"`

	Issuer  string `json:"issuer"`
	Version string `json:"version"` // "1.0" or "2.0"

	// AppID is appid, or azp in version 2.0: the client ID of the identity.
	AppID string `json:"app_id,omitempty"`

	// IDType is idtyp: "app" or "user".
	IDType string `json:"id_type,omitempty"`

	// Scopes are scp, which only tokens have that act for a user.
	Scopes []string `json:"scopes,omitempty"`

	IssuedAt  time.Time `json:"issued_at"`
	NotBefore time.Time `json:"not_before"`
	ExpiresAt time.Time `json:"expires_at"`

	// IdentityKind is "system_assigned" or "user_assigned"; absent if the token
	// has no xms_mirid, as those have none that are for a custom audience.
	IdentityKind string `json:"identity_kind,omitempty"`

	// Machine is the virtual machine, scale set or scale set instance that the
	// token names, absent if it names none, or something else.
	Machine *Machine `json:"machine,omitempty"`

	// ManagedIdentity is xms_mirid, and AzureResource xms_az_rid, whatever they
	// name.
	ManagedIdentity *ResourceID `json:"xms_mirid,omitempty"`
	AzureResource   *ResourceID `json:"xms_az_rid,omitempty"`

	// How the token was verified. KeyIssuer is the template of the issuers that
	// the key was published for, absent if for all.
	Algorithm   string `json:"algorithm"`
	KeyID       string `json:"key_id"`
	KeyIssuer   string `json:"key_issuer,omitempty"`
	TokenSHA256 string `json:"token_sha256"`
}

func newClaims(t token, ts times, h header, key publishedKey, digest string) Claims {
	return Claims{
		TenantID:        t.tenant,
		PrincipalID:     t.Subject,
		ObjectID:        t.objectID,
		Audience:        t.audience,
		Issuer:          t.Issuer,
		Version:         t.Version,
		AppID:           cmp.Or(t.AppID, t.AuthorizedParty),
		IDType:          t.IDType,
		Scopes:          strings.Fields(t.Scope),
		IssuedAt:        ts.issuedAt,
		NotBefore:       ts.notBefore,
		ExpiresAt:       ts.expiresAt,
		IdentityKind:    t.machine.identityKind,
		Machine:         t.machine.forPolicy(),
		ManagedIdentity: t.machine.identity,
		AzureResource:   t.machine.resource,
		Algorithm:       h.Algorithm,
		KeyID:           h.KeyID,
		KeyIssuer:       key.issuer,
		TokenSHA256:     digest,
	}
}

// principal is the object ID that Azure knows the identity by.
func (c Claims) principal() string { return cmp.Or(c.ObjectID, c.PrincipalID) }
