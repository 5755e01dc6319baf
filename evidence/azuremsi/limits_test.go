package azuremsi

import (
	"bytes"
	"context"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/compute/armcompute/v8"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/network/armnetwork/v9"

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
	signer, now := entra.NewKey("signer"), time.Now()
	token := entra.New(signer).Issue(signer, entra.Machine{
		Tenant: "9e85e111-1103-48fc-a933-9533fe47de05", Principal: "853b9a84-5bfa-4b22-a3f3-0b9a43d9ad8a",
	}, now)
	claims := func(with string) string {
		text, err := json.Marshal(token.Claims)
		if err != nil {
			t.Fatal(err)
		}
		return strings.Replace(string(text), "{", "{"+with, 1)
	}
	public, err := NewCloud(CloudConfig{})
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
		"depth of the metadata": {maxSetDepth, func(n int) error {
			nested := `{"x":` + strings.Repeat("[", n-1) + strings.Repeat("]", n-1) + `}`
			_, err := newAuthority(public, &http.Client{Transport: answering(nested)}).keySet(t.Context(), "2.0")
			if err != nil && strings.Contains(err.Error(), "issuer") {
				return nil // it was read
			}
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
		"depth of the claims": {maxClaimsDepth, func(n int) error {
			_, err := parseToken([]byte(claims(`"x":` + strings.Repeat("[", n-1) + strings.Repeat("]", n-1) + ",")))
			return err
		}, "nested deeper than 8 levels"},
		"scopes": {maxScopes, func(n int) error {
			_, err := parseToken([]byte(claims(`"scp":"` + strings.Repeat("s ", n) + `",`)))
			return err
		}, "scp has 65 scopes, more than 64"},
		"a life, in seconds": {int(maxTokenLife / time.Second), func(n int) error {
			parsed, err := parseToken([]byte(claims("")))
			if err != nil {
				return err
			}
			parsed.ExpiresAt = new(*parsed.IssuedAt + int64(n))
			_, err = parsed.checkTimes(now)
			return err
		}, "a life of 168h0m1s is longer than 168h0m0s"},
		"the future, in seconds": {int(leeway / time.Second), func(n int) error {
			parsed, err := parseToken([]byte(claims("")))
			if err != nil {
				return err
			}
			_, err = parsed.checkTimes(time.Unix(*parsed.NotBefore-int64(n), 0))
			return err
		}, "not valid before"},
		"the past, in seconds": {int(leeway/time.Second) - 1, func(n int) error {
			parsed, err := parseToken([]byte(claims("")))
			if err != nil {
				return err
			}
			_, err = parsed.checkTimes(time.Unix(*parsed.ExpiresAt+int64(n), 0))
			return err
		}, "expired at"},
		"bits of a key": {maxRSABits, func(n int) error {
			modulus := new(big.Int).Lsh(big.NewInt(1), uint(n-1))
			return checkRSA(&rsa.PublicKey{N: modulus, E: 65537})
		}, "RSA of 8193 bits, over 8192"},
		"bytes of the authority": {maxAuthorityBody, func(n int) error {
			body, err := newAuthority(Cloud{}, &http.Client{Transport: answering(strings.Repeat("x", n))}).get(t.Context(), "test", &url.URL{Scheme: "https", Host: "h"})
			if err == nil && len(body) != n {
				return fmt.Errorf("read %d bytes", len(body))
			}
			return err
		}, "answered more than 1048576 bytes"},
		"bytes of Resource Manager": {maxResourceManagerBody, func(n int) error {
			response, err := bounded{answering(`"` + strings.Repeat("x", n-2) + `"`)}.Do(nil)
			if err != nil {
				return err
			}
			var text string
			return json.NewDecoder(response.Body).Decode(&text)
		}, "unexpected EOF"},
		"IP configurations": {maxIPConfigurations, func(n int) error {
			nic := strings.Replace(id, "Microsoft.Compute/virtualMachines", "Microsoft.Network/networkInterfaces", 1) + "n"
			asked, err := parseResourceID(nic)
			if err != nil {
				return err
			}
			_, err = interfaceOf(asked, armnetwork.Interface{ID: &nic, Properties: &armnetwork.InterfacePropertiesFormat{IPConfigurations: make([]*armnetwork.InterfaceIPConfiguration, n)}})
			return err
		}, "1025 IP configurations, more than 1024"},
		"identities": {maxIdentities, func(n int) error {
			held := map[string]*armcompute.UserAssignedIdentitiesValue{}
			for i := range n {
				held[id+fmt.Sprint("i", i)] = nil
			}
			return new(machine).identify(&armcompute.VirtualMachineIdentity{UserAssignedIdentities: held})
		}, "1025 user-assigned identities, more than 1024"},
		"pages of a list": {maxListPages, func(n int) error {
			page := 0
			pager := runtime.NewPager(runtime.PagingHandler[int]{
				More:    func(int) bool { return page < n },
				Fetcher: func(context.Context, *int) (int, error) { page++; return page, nil },
			})
			_, err := listAll(t.Context(), pager, func(int) []*int { return nil }, func(int) *string { return nil }, func(ResourceID, int) (int, error) { return 0, nil })
			return err
		}, "a list of more than 50 pages"},
		"a tag's key": {maxTagText, func(n int) error {
			_, err := tags(map[string]*string{strings.Repeat("k", n): new("v")})
			return err
		}, "more than 1024 bytes"},
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

// answering is an HTTP client whose answers have that body.
type answering string

func (a answering) Do(r *http.Request) (*http.Response, error) { return a.RoundTrip(r) }

func (a answering) RoundTrip(r *http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: http.StatusOK, Status: "200 OK", Body: io.NopCloser(strings.NewReader(string(a))), Request: r}, nil
}
