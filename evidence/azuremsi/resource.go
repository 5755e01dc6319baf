package azuremsi

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
)

// ResourceID is the ID of an Azure resource, in its parts. Azure compares IDs
// without regard to case, and writes them in any:
//
//	/subscriptions/S/resourceGroups/G/providers/P/T/N
//	/subscriptions/S/resourceGroups/G/providers/P/T/N/T2/N2
//
// Only parse makes one. [arm.ParseResourceID] of Azure's SDK would take IDs with
// empty parts, and with "..", which ends up in the URL of a call.
//
// [arm.ParseResourceID]: https://pkg.go.dev/github.com/Azure/azure-sdk-for-go/sdk/azcore/arm#ParseResourceID
type ResourceID struct {
	// ID is the whole ID in lower case: two IDs are equal exactly if these are.
	ID string `json:"id"`

	// SubscriptionID, Provider and Type are in lower case. Provider is the first
	// half of what Azure calls a type ("microsoft.compute"), Type the other half,
	// with slashes for a child ("virtualmachinescalesets/virtualmachines").
	SubscriptionID string `json:"subscription_id"`
	Provider       string `json:"provider"`
	Type           string `json:"type"`

	// ResourceGroup and Name are as written. A child's name has slashes.
	ResourceGroup string `json:"resource_group"`
	Name          string `json:"name"`
}

// parseResourceID reads the ID of a resource within a resource group.
func parseResourceID(id string) (ResourceID, error) {
	if len(id) > maxResourceID {
		return ResourceID{}, fmt.Errorf("resource ID of %d bytes is over %d", len(id), maxResourceID)
	}
	r, err := splitResourceID(id)
	if err != nil {
		return ResourceID{}, fmt.Errorf("resource ID %q: %w", id, err)
	}
	return r, nil
}

func splitResourceID(id string) (ResourceID, error) {
	parts := strings.Split(id, "/")
	if len(parts) < 9 || len(parts)%2 == 0 || parts[0] != "" {
		return ResourceID{}, errors.New("not of the form /subscriptions/…/resourceGroups/…/providers/…/…/…")
	}
	for _, part := range parts[1:] {
		if err := checkPart(part); err != nil {
			return ResourceID{}, err
		}
	}
	if lower(parts[1]) != "subscriptions" || lower(parts[3]) != "resourcegroups" || lower(parts[5]) != "providers" {
		return ResourceID{}, errors.New("not of the form /subscriptions/…/resourceGroups/…/providers/…/…/…")
	}
	subscription, err := parseGUID(parts[2])
	if err != nil {
		return ResourceID{}, fmt.Errorf("subscription %w", err)
	}
	var types, names []string
	for i := 7; i < len(parts); i += 2 {
		types = append(types, lower(parts[i]))
		names = append(names, parts[i+1])
	}
	return ResourceID{
		ID:             lower(id),
		SubscriptionID: subscription,
		Provider:       lower(parts[6]),
		Type:           strings.Join(types, "/"),
		ResourceGroup:  parts[4],
		Name:           strings.Join(names, "/"),
	}, nil
}

// checkPart allows what Azure does in the names of resource groups, machines,
// scale sets, networks and identities. That leaves out what would have a meaning
// of its own in a URL, a query or a selector.
func checkPart(part string) error {
	switch {
	case part == "":
		return errors.New("a part is empty")
	case part == "." || part == "..":
		return fmt.Errorf("a part is %q", part)
	case len(part) > maxNamePart:
		return fmt.Errorf("a part has %d bytes, more than %d", len(part), maxNamePart)
	}
	for _, c := range part {
		if !unicode.IsLetter(c) && !unicode.IsDigit(c) && !strings.ContainsRune("-_.()", c) {
			return fmt.Errorf("part %q has the character %q", part, c)
		}
	}
	return nil
}

// is compares provider and type, which are written in lower case.
func (r ResourceID) is(provider, kind string) bool { return r.Provider == provider && r.Type == kind }

// names are the names of the resource's parents and its own.
func (r ResourceID) names() []string { return strings.Split(r.Name, "/") }

// contains says whether other is a child of r, or a child's child.
func (r ResourceID) contains(other ResourceID) bool { return strings.HasPrefix(other.ID, r.ID+"/") }

// lower folds ASCII letters only, as Azure does not take the Kelvin sign for a k.
func lower(s string) string {
	return strings.Map(func(c rune) rune {
		if c >= 'A' && c <= 'Z' {
			return c + 'a' - 'A'
		}
		return c
	}, s)
}
