package e2e_test

import (
	"strings"
	"testing"

	"github.com/spire-gatehouse/gatehouse/e2e/spire"
	"github.com/spire-gatehouse/gatehouse/e2e/stage"
)

// azureConfigurations are judged by spire-server validate on a server outside of
// Azure, with the built-in and with Gatehouse. The verdicts are as in azureCase:
// accepts, refusesConfig, or panics.
func azureConfigurations() []azureConfiguration {
	const (
		noGUID    = "two spellings of one tenant ID; a tenant ID that is no GUID"
		appNoGUID = "an `app_id` or `subscription_id` that is no GUID"
	)
	replaced := func(old, new string) string {
		if !strings.Contains(azureSecret, old) {
			panic("no " + old)
		}
		return strings.ReplaceAll(azureSecret, old, new)
	}
	without := func(key string) string {
		var lines []string
		for line := range strings.Lines(azureSecret) {
			if !strings.Contains(line, key+" =") {
				lines = append(lines, line)
			}
		}
		return strings.Join(lines, "")
	}
	return []azureConfiguration{
		{name: "application", data: azureSecret, want: accepts},
		{name: "agent path template", data: azureSecret + "\nagent_path_template = \"/{{ .PluginName }}/{{ .TenantID }}/{{ .PrincipalID }}\"", want: accepts},
		{name: "nothing", data: "", want: refusesConfig, says: "tenant", names: "tenants"},
		{name: "no tenants", data: "tenants = {}", want: refusesConfig, says: "tenant", names: "tenants"},
		{name: "no app_secret", data: without("app_secret"), want: refusesConfig, says: "missing app secret", names: "app_secret"},
		{name: "no app_id", data: without("app_id"), want: refusesConfig, says: "missing app id", names: "app_id"},
		{name: "no subscription_id", data: without("subscription_id"), want: refusesConfig, says: "missing subscription id", names: "subscription_id"},
		{name: "template that does not parse", data: azureSecret + "\nagent_path_template = \"/{{\"", want: refusesConfig, says: "template", names: "agent_path_template"},

		{name: "no credential", data: azureBare, want: panics, differs: "no Azure credential, or a server without the metadata service", gatehouse: accepts},
		{name: "no more than subscription_id", data: strings.Replace(azureBare, "{}", "{ subscription_id = \""+azureSubscription+"\" }", 1),
			want: refusesConfig, says: "missing app id", differs: "no more than `subscription_id`", gatehouse: accepts},
		{name: "tenant without GUID", data: replaced(azureTenant, "contoso.onmicrosoft.com"), want: accepts, differs: noGUID, gatehouse: refusesConfig, names: "tenant ID"},
		{name: "app_id without GUID", data: replaced(stage.AppID, "gatehouse"), want: accepts, differs: appNoGUID, gatehouse: refusesConfig, names: "app_id"},
		{name: "subscription_id without GUID", data: replaced(azureSubscription, "ours"), want: accepts, differs: appNoGUID, gatehouse: refusesConfig, names: "subscription_id"},
		{name: "unknown key", data: azureSecret + "\nuse_msi = true", want: accepts, differs: "an unknown key, such as `use_msi`", gatehouse: refusesConfig, names: "use_msi"},
		{name: "template of one token", data: azureSecret + "\nagent_path_template = \"/{{ .PluginName }}/{{ .PrincipalID }}/{{ .ID }}\"", want: accepts,
			differs: "fields `.Audience`, `.Expiry`", gatehouse: refusesConfig, names: "agent_path_template"},
		{name: "other cloud", data: azureSecret + "\ncloud = \"moon\"", want: accepts, differs: "US Government, China, private clouds", gatehouse: refusesConfig, names: "cloud"},
	}
}

type azureConfiguration struct {
	name, data string

	want      verdict // of both, or of the built-in alone
	says      string  // part of what that says
	differs   string  // begins a row of docs/differences.md
	gatehouse verdict
	names     string // part of what Gatehouse says
}

// TestAzureConfigurations reads what an operator reads from both.
func TestAzureConfigurations(t *testing.T) {
	t.Parallel()
	env, err := newAzure(t).ServerEnv(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	validate := func(t *testing.T, block string) (verdict, string) {
		t.Helper()
		output, err := spire.Validate(t.Context(), binaries(t), spire.ServerConfig{NodeAttestors: block, Env: env})
		switch {
		case err == nil:
			return accepts, output
		case strings.Contains(output, "runtime error"):
			return panics, output
		}
		return refusesConfig, output
	}
	for _, tc := range azureConfigurations() {
		t.Run(tc.name, func(t *testing.T) {
			if got, output := validate(t, stage.AzureBuiltIn(tc.data)); got != tc.want || !strings.Contains(output, tc.says) {
				t.Errorf("the built-in %s, want that it %s and says %q: %s", got, tc.want, tc.says, output)
			}
			want := tc.want
			if tc.differs != "" {
				want = tc.gatehouse
			}
			got, output := validate(t, azureBlock(t, tc.data))
			if got != want || !strings.Contains(output, tc.names) {
				t.Errorf("gatehouse %s, want that it %s and names %q: %s", got, want, tc.names, output)
			}
			if strings.Contains(output, stage.AppSecret) {
				t.Errorf("the secret is shown: %s", output)
			}
		})
	}
}
