package azuremsi

import (
	"errors"
	"maps"
	"slices"
)

// errNotFound is Resource Manager's answer that there is no such resource.
var errNotFound = errors.New("not found")

// errNoCredential says that nobody gave us the right to ask Resource Manager.
var errNoCredential = errors.New("no Azure credential")

// resource says which resource to read, and for the attestation of which tenant:
// the same ID read with another tenant's credential is another question.
type resource struct {
	tenant string
	id     ResourceID
}

// machine is what one read of a machine answers.
type machine struct {
	vm         VirtualMachine
	interfaces []attachment

	// Who the machine is to Azure: the object ID of the identity that Azure
	// assigned to it, and those that users did, by lower-case resource ID.
	principalID string
	identities  map[string]string // object ID, "" if the answer lacks it
}

// attachment is an interface as the machine has it.
type attachment struct {
	id      ResourceID
	primary bool
}

// holds says whether the machine holds the identity that a token is of. A machine
// that was made anew under an old name does not.
func (m machine) holds(n named, objectID string) bool {
	if n.identityKind == userAssigned {
		held, ok := m.identities[n.identity.ID]
		return ok && (held == "" || held == objectID)
	}
	if m.principalID == objectID { // which is never empty: Verify asks for a subject
		return true
	}
	if n.identityKind == "" && n.resource != nil { // which kind, the token does not say
		return slices.Contains(slices.Collect(maps.Values(m.identities)), objectID)
	}
	return false
}
