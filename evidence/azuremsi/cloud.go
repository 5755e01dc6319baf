package azuremsi

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/arm"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"
)

// Cloud is one of Azure's clouds: who signs its tokens, and where its Resource
// Manager is. Only NewCloud makes one.
type Cloud struct {
	name      string
	authority *url.URL // without a path
	known     bool     // whether authority is one of Microsoft's own

	// issuers are templates that the authority must publish, by token version.
	// For a version that is not here it may publish any, and does so for the
	// version 1.0 of sovereign clouds: Microsoft does not document those.
	issuers map[string]string

	sdk cloud.Configuration
}

// CloudConfig is what an operator says of the cloud. All of it is optional.
type CloudConfig struct {
	// Name is "public", "usgov" or "china".
	Name string

	// Authority is the URL of another authority than the named cloud's own.
	Authority string

	// AuthorityHost is the value of AZURE_AUTHORITY_HOST. It counts where there is
	// neither a Name nor an Authority.
	AuthorityHost string

	// ResourceManager is the URL of another Resource Manager than the named
	// cloud's own, and ResourceManagerAudience what its tokens are for, if that
	// is not the URL itself.
	ResourceManager         string
	ResourceManagerAudience string
}

// tenantSlot is where an issuer template has the tenant's ID.
const tenantSlot = "{tenantid}"

// clouds returns the clouds that Microsoft documents, by the names they have
// here: https://learn.microsoft.com/entra/identity-platform/authentication-national-cloud
func clouds() map[string]Cloud {
	return map[string]Cloud{
		"public": {
			name: "public", known: true, sdk: cloud.AzurePublic,
			authority: &url.URL{Scheme: "https", Host: "login.microsoftonline.com"},
			issuers: map[string]string{
				v1: "https://sts.windows.net/{tenantid}/",
				v2: "https://login.microsoftonline.com/{tenantid}/v2.0",
			},
		},
		"usgov": {
			name: "usgov", known: true, sdk: cloud.AzureGovernment,
			authority: &url.URL{Scheme: "https", Host: "login.microsoftonline.us"},
			issuers:   map[string]string{v2: "https://login.microsoftonline.us/{tenantid}/v2.0"},
		},
		"china": {
			name: "china", known: true, sdk: cloud.AzureChina,
			authority: &url.URL{Scheme: "https", Host: "login.partner.microsoftonline.cn"},
			issuers:   map[string]string{v2: "https://login.partner.microsoftonline.cn/{tenantid}/v2.0"},
		},
	}
}

// cloudOfHost finds the cloud that a host name of Microsoft's belongs to.
func cloudOfHost(host string) string {
	switch host {
	case "login.microsoftonline.com":
		return "public"
	case "login.microsoftonline.us":
		return "usgov"
	case "login.partner.microsoftonline.cn", "login.chinacloudapi.cn":
		return "china"
	}
	return ""
}

// NewCloud returns the cloud that config describes: the public one by default.
func NewCloud(config CloudConfig) (Cloud, error) {
	name, authority := config.Name, config.Authority
	if name == "" && authority == "" {
		authority = config.AuthorityHost
	}
	var parsed *url.URL
	if authority != "" {
		var err error
		if parsed, err = parseEndpoint(authority); err != nil {
			return Cloud{}, fmt.Errorf("authority %q: %w", authority, err)
		}
		own := cloudOfHost(parsed.Host)
		if name != "" && own != "" && own != name {
			return Cloud{}, fmt.Errorf("authority %q is that of cloud %q, not %q", authority, own, name)
		}
		if own != "" {
			name, parsed = own, nil // by the name that this cloud's key sets have
		}
	}
	if name == "" {
		name = "public"
	}
	c, ok := clouds()[name]
	if !ok {
		return Cloud{}, fmt.Errorf("cloud %q is none of public, usgov, china", name)
	}
	if parsed != nil {
		c.authority, c.known, c.issuers = parsed, false, nil
		c.sdk.ActiveDirectoryAuthorityHost = parsed.String() + "/"
	}
	if config.ResourceManager != "" {
		endpoint, err := parseEndpoint(config.ResourceManager)
		if err != nil {
			return Cloud{}, fmt.Errorf("resource manager %q: %w", config.ResourceManager, err)
		}
		audience := config.ResourceManagerAudience
		if audience == "" {
			audience = endpoint.String()
		}
		c.sdk.Services = map[cloud.ServiceName]cloud.ServiceConfiguration{
			cloud.ResourceManager: {Endpoint: endpoint.String(), Audience: audience},
		}
	} else if config.ResourceManagerAudience != "" {
		return Cloud{}, errors.New("a resource manager's audience without its URL")
	}
	return c, nil
}

// Name is the cloud's name, of the one whose settings apply where an operator
// gave no others.
func (c Cloud) Name() string { return c.name }

// Authority is the URL that discovery documents are read below.
func (c Cloud) Authority() string { return c.authority.String() }

// parseEndpoint reads the URL of a server: https, or http on loopback.
func parseEndpoint(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	if err != nil {
		return nil, err
	}
	if u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" || strings.Trim(u.Path, "/") != "" {
		return nil, errors.New("not of the form https://host")
	}
	u = &url.URL{Scheme: u.Scheme, Host: strings.ToLower(u.Host)}
	if u.Scheme == "https" {
		u.Host = strings.TrimSuffix(u.Host, ":443") // or a known host would not be known
	}
	return u, checkSecure(u)
}

// checkSecure refuses plain HTTP, but for a server on this machine.
func checkSecure(u *url.URL) error {
	if u.Scheme == "https" || u.Scheme == "http" && isLoopback(u.Hostname()) {
		return nil
	}
	return errors.New("only https is allowed, or http on loopback")
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// managementAudience is what tokens for the cloud's Resource Manager are for.
func (c Cloud) managementScope() string {
	return strings.TrimSuffix(c.sdk.Services[cloud.ResourceManager].Audience, "/") + "/.default"
}

// armOptions are the options of every client of the cloud's Resource Manager.
func (c Cloud) armOptions() *arm.ClientOptions {
	options := &arm.ClientOptions{DisableRPRegistration: true} // we only read
	options.Cloud = c.sdk
	return options
}
