package azuremsi_test

import (
	"testing"

	"github.com/spire-gatehouse/gatehouse/evidence/azuremsi"
	"github.com/spire-gatehouse/gatehouse/internal/testauthority/entra"
)

func TestCloud(t *testing.T) {
	for name, test := range map[string]struct {
		config          azuremsi.CloudConfig
		name, authority string
	}{
		"default":                    {azuremsi.CloudConfig{}, "public", "https://login.microsoftonline.com"},
		"public":                     {azuremsi.CloudConfig{Name: "public"}, "public", "https://login.microsoftonline.com"},
		"US government":              {azuremsi.CloudConfig{Name: "usgov"}, "usgov", "https://login.microsoftonline.us"},
		"China":                      {azuremsi.CloudConfig{Name: "china"}, "china", "https://login.partner.microsoftonline.cn"},
		"from the environment":       {azuremsi.CloudConfig{AuthorityHost: "https://login.microsoftonline.us/"}, "usgov", "https://login.microsoftonline.us"},
		"China, by the SDK's host":   {azuremsi.CloudConfig{AuthorityHost: "https://LOGIN.chinacloudapi.cn/"}, "china", "https://login.partner.microsoftonline.cn"},
		"with its port":              {azuremsi.CloudConfig{Authority: "https://login.microsoftonline.us:443/"}, "usgov", "https://login.microsoftonline.us"},
		"a name before environment":  {azuremsi.CloudConfig{Name: "china", AuthorityHost: "https://login.microsoftonline.us/"}, "china", "https://login.partner.microsoftonline.cn"},
		"a URL before environment":   {azuremsi.CloudConfig{Authority: "https://login.private.example", AuthorityHost: "https://login.microsoftonline.us/"}, "public", "https://login.private.example"},
		"private":                    {azuremsi.CloudConfig{Name: "usgov", Authority: "https://login.private.example/", ResourceManager: "https://management.private.example/"}, "usgov", "https://login.private.example"},
		"loopback":                   {azuremsi.CloudConfig{Authority: "http://127.0.0.1:8080"}, "public", "http://127.0.0.1:8080"},
		"loopback by name, and IPv6": {azuremsi.CloudConfig{Authority: "http://localhost:1", ResourceManager: "http://[::1]:2", ResourceManagerAudience: "https://m"}, "public", "http://localhost:1"},
	} {
		t.Run(name, func(t *testing.T) {
			cloud, err := azuremsi.NewCloud(test.config)
			if err != nil {
				t.Fatal(err)
			}
			if cloud.Name() != test.name || cloud.Authority() != test.authority {
				t.Errorf("got %s, %s", cloud.Name(), cloud.Authority())
			}
		})
	}
}

func TestCloudRefuses(t *testing.T) {
	for want, config := range map[string]azuremsi.CloudConfig{
		`cloud "germany" is none of public, usgov, china`:                                                  {Name: "germany"},
		`authority "http://login.private.example": only https is allowed, or http on loopback`:             {Authority: "http://login.private.example"},
		`authority "http://127.0.0.1.evil.example": only https is allowed, or http on loopback`:            {AuthorityHost: "http://127.0.0.1.evil.example"},
		`authority "login.microsoftonline.us": not of the form https://host`:                               {AuthorityHost: "login.microsoftonline.us"},
		`authority "https://login.private.example/tenant": not of the form https://host`:                   {Authority: "https://login.private.example/tenant"},
		`authority "https://me@login.private.example": not of the form https://host`:                       {Authority: "https://me@login.private.example"},
		`authority "https://login.microsoftonline.us" is that of cloud "usgov", not "china"`:               {Name: "china", Authority: "https://login.microsoftonline.us"},
		`resource manager "http://management.private.example": only https is allowed, or http on loopback`: {ResourceManager: "http://management.private.example"},
		`a resource manager's audience without its URL`:                                                    {ResourceManagerAudience: "https://management.azure.com"},
	} {
		if _, err := azuremsi.NewCloud(config); err == nil || err.Error() != want {
			t.Errorf("\n got %v\nwant %s", err, want)
		}
	}
}

// TestSovereignClouds: what the authority publishes counts where Microsoft
// documents no issuer, and only there.
func TestSovereignClouds(t *testing.T) {
	for _, test := range []struct{ cloud, host, v1, v2, version, want string }{
		{"usgov", "https://login.microsoftonline.us", "https://sts.gov.example/{tenantid}/", "https://login.microsoftonline.us/{tenantid}/v2.0", "1.0", ""},
		{"usgov", "https://login.microsoftonline.us", "https://sts.gov.example/{tenantid}/", "https://login.microsoftonline.us/{tenantid}/v2.0", "2.0", ""},
		{"china", "https://login.partner.microsoftonline.cn", "https://sts.chinacloudapi.cn/{tenantid}/", "https://login.partner.microsoftonline.cn/{tenantid}/v2.0", "1.0", ""},
		{"china", "https://login.partner.microsoftonline.cn", "https://sts.chinacloudapi.cn/{tenantid}/", "https://login.partner.microsoftonline.cn/{tenantid}/v2.0", "2.0", ""},
		{"china", "https://login.partner.microsoftonline.cn", "", "https://login.microsoftonline.com/{tenantid}/v2.0", "2.0",
			`keys: unavailable: https://login.partner.microsoftonline.cn/common/v2.0/.well-known/openid-configuration: issuer "https://login.microsoftonline.com/{tenantid}/v2.0" is not "https://login.partner.microsoftonline.cn/{tenantid}/v2.0", that of cloud china`},
		{"usgov", "https://login.microsoftonline.us", "https://sts.gov.example/", "", "1.0",
			`keys: unavailable: https://login.microsoftonline.us/common/.well-known/openid-configuration: issuer "https://sts.gov.example/" does not have {tenantid} once`},
	} {
		t.Run(test.cloud+" "+test.version+" "+test.want, func(t *testing.T) {
			key := keys().a
			key.Issuer = test.v2
			authority := entra.New(key)
			authority.Host, authority.IssuerV1, authority.IssuerV2 = test.host, test.v1, test.v2
			cloud, err := azuremsi.NewCloud(azuremsi.CloudConfig{Name: test.cloud})
			if err != nil {
				t.Fatal(err)
			}
			m := vm()
			m.Version = test.version
			c := newCollector(t, authority, func(o *azuremsi.Options) { o.Cloud = cloud })
			if _, got := verify(t, c, authority.Issue(key, m, now).Sign()); got != test.want {
				t.Errorf("\n got %s\nwant %s", got, test.want)
			}
		})
	}
}
