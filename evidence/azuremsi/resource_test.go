package azuremsi

import (
	"reflect"
	"strings"
	"testing"
)

const sub = "0a7d5b3c-2b8e-4c1f-9f6b-0d9a6f2f4e11"

func TestParseResourceID(t *testing.T) {
	for id, want := range map[string]ResourceID{
		"/subscriptions/" + sub + "/resourceGroups/Web-RG/providers/Microsoft.Compute/virtualMachines/Web-1": {
			SubscriptionID: sub, ResourceGroup: "Web-RG", Provider: "microsoft.compute", Type: "virtualmachines", Name: "Web-1",
		},
		"/SUBSCRIPTIONS/" + strings.ToUpper(sub) + "/resourcegroups/web-rg/PROVIDERS/microsoft.COMPUTE/VIRTUALMACHINES/web-1": {
			SubscriptionID: sub, ResourceGroup: "web-rg", Provider: "microsoft.compute", Type: "virtualmachines", Name: "web-1",
		},
		"/subscriptions/" + sub + "/resourceGroups/größe_(1).a/providers/Microsoft.Network/virtualNetworks/Main/subnets/Front": {
			SubscriptionID: sub, ResourceGroup: "größe_(1).a", Provider: "microsoft.network", Type: "virtualnetworks/subnets", Name: "Main/Front",
		},
	} {
		want.ID = strings.ToLower(id)
		if got, err := parseResourceID(id); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s:\n got %+v, %v\nwant %+v", id, got, err, want)
		}
	}
}

func TestParseResourceIDRefuses(t *testing.T) {
	const form = "not of the form /subscriptions/…/resourceGroups/…/providers/…/…/…"
	const rg = "/subscriptions/" + sub + "/resourceGroups/rg"
	const good = rg + "/providers/Microsoft.Compute/virtualMachines/vm"
	for id, want := range map[string]string{
		"":         form,
		"vm":       form,
		good[1:]:   form,
		"/" + good: form,
		rg:         form,
		rg + "/providers/Microsoft.Compute/virtualMachines": form,
		good + "/":            form,
		good + "/extensions":  form,
		good + "/extensions/": "a part is empty",
		strings.Replace(good, "resourceGroups", "resourceGroup", 1):        form,
		strings.Replace(good, "subscriptions", "managementGroups", 1):      form,
		strings.Replace(good, sub, "mine", 1):                              `subscription "mine" is not a GUID`,
		strings.Replace(good, "/rg/", "//", 1):                             "a part is empty",
		strings.Replace(good, "/rg/", "/../", 1):                           `a part is ".."`,
		strings.Replace(good, "/rg/", "/./", 1):                            `a part is "."`,
		strings.Replace(good, "/rg/", "/r%2fg/", 1):                        `part "r%2fg" has the character '%'`,
		strings.Replace(good, "/rg/", "/r?g/", 1):                          `part "r?g" has the character '?'`,
		strings.Replace(good, "/rg/", "/r:g/", 1):                          `part "r:g" has the character ':'`,
		strings.Replace(good, "/rg/", "/r g/", 1):                          `part "r g" has the character ' '`,
		strings.Replace(good, "/rg/", "/r'g/", 1):                          `part "r'g" has the character '\''`,
		strings.Replace(good, "/rg/", "/r\xffg/", 1):                       "part \"r\\xffg\" has the character '\uFFFD'",
		strings.Replace(good, "/rg/", "/"+strings.Repeat("r", 261)+"/", 1): "a part has 261 bytes, more than 260",
	} {
		_, err := parseResourceID(id)
		if err == nil || !strings.HasSuffix(err.Error(), ": "+want) {
			t.Errorf("%q:\n got %v\nwant %s", id, err, want)
		}
	}
	if _, err := parseResourceID(good + strings.Repeat("a", 1024)); err == nil || err.Error() != "resource ID of 1140 bytes is over 1024" {
		t.Errorf("got %v", err)
	}
}

// TestResourceIDsDiffer has look-alikes that some comparison would take for the
// same resource.
func TestResourceIDsDiffer(t *testing.T) {
	parse := func(group, name string) ResourceID {
		id, err := parseResourceID("/subscriptions/" + sub + "/resourceGroups/" + group + "/providers/Microsoft.Compute/virtualMachines/" + name)
		if err != nil {
			t.Fatal(err)
		}
		return id
	}
	one := parse("rg", "vm1")
	for _, other := range []ResourceID{parse("rg", "vm10"), parse("rg", "vm"), parse("rg1", "vm1"), parse("rg", "vm1."), parse("rg", "vm\u0661")} {
		if one.ID == other.ID || one.contains(other) || other.contains(one) {
			t.Errorf("%s is %s", one.ID, other.ID)
		}
	}
	if parse("\u212a", "vm").ID == parse("k", "vm").ID {
		t.Error("the Kelvin sign is a k")
	}
	if upper := parse("RG", "VM1"); upper.ID != one.ID {
		t.Errorf("%s is not %s", upper.ID, one.ID)
	}
}

// FuzzParseResourceID: what is accepted is put together again from its parts.
func FuzzParseResourceID(f *testing.F) {
	f.Add("/subscriptions/" + sub + "/resourceGroups/Web-RG/providers/Microsoft.Compute/virtualMachines/Web-1")
	f.Add("/subscriptions/" + sub + "/resourcegroups/a/providers/Microsoft.Network/virtualNetworks/b/subnets/c")
	f.Fuzz(func(t *testing.T, text string) {
		id, err := parseResourceID(text)
		if err != nil {
			return
		}
		types, names := strings.Split(id.Type, "/"), id.names()
		again := "/subscriptions/" + id.SubscriptionID + "/resourceGroups/" + id.ResourceGroup + "/providers/" + id.Provider
		for i := range types {
			again += "/" + types[i] + "/" + names[i]
		}
		if lower(again) != id.ID || lower(text) != id.ID {
			t.Errorf("%q became %q", text, again)
		}
		if strings.Contains(id.ID, "//") || strings.Contains(id.ID, "/../") || strings.ContainsAny(id.ID, "?#%'\": ") {
			t.Errorf("accepted %q", text)
		}
	})
}
