package azuremsi

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/compute/armcompute/v8"

	"github.com/spire-gatehouse/gatehouse/internal/testauthority/entra"
)

// TestAzureLimits tries each bound on both sides: n is the bound, and then one more.
func TestAzureLimits(t *testing.T) {
	encoded := func(n int) string { return base64.RawURLEncoding.EncodeToString(bytes.Repeat([]byte("x"), n)) }
	sent := func(token, space int) error {
		text := fmt.Sprintf(`{"token":%q}`, strings.Repeat("t", token))
		_, err := parsePayload([]byte(text + strings.Repeat(" ", max(0, space-len(text)))))
		return err
	}
	nested := func(n int) string {
		return `{"alg":"RS256","kid":"k","x":` + strings.Repeat("[", n-1) + strings.Repeat("]", n-1) + `}`
	}
	key, err := json.Marshal(entra.Set([]entra.Key{entra.NewKey("key")}, true)["keys"].([]map[string]any)[0])
	if err != nil {
		t.Fatal(err)
	}
	const id = "/subscriptions/0a7d5b3c-2b8e-4c1f-9f6b-0d9a6f2f4e11/resourceGroups/g/providers/Microsoft.Compute/virtualMachines/"
	for name, tc := range map[string]struct {
		limit  int
		try    func(n int) error
		beyond string // what the error says
	}{
		"payload":   {maxPayload, func(n int) error { return sent(1, n) }, "payload of 65537 bytes is over 65536"},
		"token":     {maxToken, func(n int) error { return sent(n, 0) }, "token of 16385 bytes is over 16384"},
		"header":    {maxHeader, func(n int) error { _, err := split(encoded(n) + "." + encoded(1) + "." + encoded(1)); return err }, "header of 1025 bytes is over 1024"},
		"signature": {maxSignature, func(n int) error { _, err := split(encoded(1) + "." + encoded(1) + "." + encoded(n)); return err }, "signature of 1025 bytes is over 1024"},
		"depth of the header": {maxHeaderDepth, func(n int) error {
			_, err := parseHeader([]byte(nested(n)), []string{"RS256"})
			return err
		}, "nested deeper than 3 levels"},
		"a claim":   {maxText, func(n int) error { return checkText("iss", strings.Repeat("x", n)) }, "iss has 1025 bytes, more than 1024"},
		"a subject": {maxSubject, func(n int) error { return checkSegment(strings.Repeat("x", n)) }, "has 129 bytes, more than 128"},
		"a part of a resource ID": {maxNamePart, func(n int) error {
			_, err := parseResourceID(id + strings.Repeat("x", n))
			return err
		}, "a part has 261 bytes, more than 260"},
		"a resource ID": {maxResourceID, func(n int) error {
			text := id + "m" + strings.Repeat("/t/n", (n-len(id)-1)/4)
			_, err := parseResourceID(text + strings.Repeat("n", n-len(text)))
			return err
		}, "resource ID of 1025 bytes is over 1024"},
		"keys": {maxKeys, func(n int) error {
			_, err := parseKeySet([]byte(`{"keys":[` + string(key) + strings.Repeat(","+string(key), n-1) + `]}`))
			return err
		}, "257 keys, more than 256"},
		"depth of a key set": {maxSetDepth, func(n int) error {
			_, err := parseKeySet([]byte(`{"keys":[` + string(key) + `],"x":` + strings.Repeat("[", n-1) + strings.Repeat("]", n-1) + `}`))
			return err
		}, "nested deeper than 4 levels"},
		"tags": {maxTags, func(n int) error {
			all := map[string]*string{}
			for i := range n {
				all[fmt.Sprint(i)] = new("v")
			}
			_, err := tags(all)
			return err
		}, "101 tags"},
		"interfaces": {maxInterfaces, func(n int) error {
			profile := &armcompute.NetworkProfile{}
			for i := range n {
				nic := strings.Replace(id, "Microsoft.Compute/virtualMachines", "Microsoft.Network/networkInterfaces", 1) + fmt.Sprint("n", i)
				profile.NetworkInterfaces = append(profile.NetworkInterfaces, &armcompute.NetworkInterfaceReference{ID: &nic})
			}
			_, err := attachments(profile)
			return err
		}, "65 "},
		"a text of an answer": {maxTagText, func(n int) error {
			_, err := tags(map[string]*string{"k": new(strings.Repeat("v", n))})
			return err
		}, "more than 1024 bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			if err := tc.try(tc.limit); err != nil {
				t.Errorf("at %d: %v", tc.limit, err)
			}
			if err := tc.try(tc.limit + 1); err == nil || !strings.Contains(err.Error(), tc.beyond) {
				t.Errorf("at %d: got %v, want one about %q", tc.limit+1, err, tc.beyond)
			}
		})
	}
}
