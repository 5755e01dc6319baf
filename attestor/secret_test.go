package attestor

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/spire-gatehouse/gatehouse/attestor/plugindata"
)

// hush is a secret that must not come out anywhere.
const hush = "wJalrXUtnFEMI"

func checkHidden(t *testing.T, what, text string) {
	t.Helper()
	if strings.Contains(text, hush) {
		t.Errorf("%s shows a secret: %s", what, text)
	}
}

// checkDumps looks for the secret wherever a configuration might be shown.
func checkDumps[T any](t *testing.T, config T, policyConfig map[string]any) {
	t.Helper()
	hidden := struct{ config T }{config}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		checkHidden(t, verb, fmt.Sprintf(verb, config))
		checkHidden(t, verb+" of a pointer", fmt.Sprintf(verb, &config))
		checkHidden(t, verb+" of an unexported field", fmt.Sprintf(verb, hidden))
		checkHidden(t, verb+" of the policy's", fmt.Sprintf(verb, policyConfig))
	}
	encoded, err := json.Marshal(config)
	if err != nil {
		t.Fatal(err)
	}
	checkHidden(t, "JSON", string(encoded))
	var log strings.Builder
	slog.New(slog.NewTextHandler(&log, nil)).Info("configured", "config", config)
	checkHidden(t, "slog", log.String())
}

// checkProblems puts the secret into texts that can't be right.
func checkProblems(t *testing.T, prefix string, patterns []string, build func(text string) []plugindata.Problem) {
	t.Helper()
	for _, pattern := range patterns {
		text := prefix + strings.ReplaceAll(pattern, "%s", hush)
		problems := build(text)
		if len(problems) == 0 {
			t.Errorf("no problems with %s", text)
		}
		checkHidden(t, pattern, fmt.Sprintf("%q", problems))
	}
}

func TestSecretIsLogged(t *testing.T) {
	var log strings.Builder
	slog.New(slog.NewTextHandler(&log, nil)).Info("configured", "key", newSecret(hush))
	checkHidden(t, "slog", log.String())
	if !strings.Contains(log.String(), "key="+redacted) {
		t.Errorf("got %s", log.String())
	}
}

// TestSecretsStaySecret puts a secret at every key, right and wrong, and looks
// for it wherever it might come out.
func TestSecretsStaySecret(t *testing.T) {
	env := environment(map[string]string{"AWS_SESSION_TOKEN": hush, "AWS_ACCESS_KEY_ID": hush, "AWS_SECRET_ACCESS_KEY": hush})
	for _, text := range []string{"", `access_key_id = "` + hush + `" secret_access_key = "` + hush + `"`} {
		c, problems := buildAWSIID(text, env)
		if len(problems) > 0 {
			t.Fatal(problems)
		}
		if c.AccessKeyID.reveal() != hush || c.SecretAccessKey.reveal() != hush {
			t.Error("the credentials are not there for those who need them")
		}
		checkDumps(t, c, c.policyConfig())
	}
	checkProblems(t, "", []string{
		"access_key_id = \"x\"\nsecret_access_key = [\"%s\"]", "secret_access_key = %s", "secret_access_key = \"%s", "secret_access_key = '%s'",
		"secret_access_key \"%s\"", "secret_access_key = \"\\q%s\"", "secret_access_key = <<EOT\n%s\n", "{\"secret_access_key\": %s}",
		"{\"secret_access_key\": \"%s}", "secret_access_key = \"%s\"\nsecret_access_key = \"%s\"", "partition = \"%s\"", "assume_role = \"/%s\"",
		"verify_organization = \"%s\"", "verify_organization { management_account_id = \"%s\" management_account_region = \"%s\" org_account_map_ttl = \"%s\" }",
		"allowed_account_ids = [\"%s\"]", "cloud_timeout = \"%s\"", "enforcement { tofu = \"%s\" }", "skip_block_device = \"%s\"", "unknown = \"%s\"",
		"validate_eks_cluster_membership { eks_cluster_names = [\"!%s\"] }", "skip_block_device = true, = %s", "secret_access_key = 1%s",
	}, func(text string) []plugindata.Problem {
		_, problems := buildAWSIID(text, environment(nil))
		return problems
	})
}

// TestAzureSecretsStaySecret does the same with a tenant's secret.
func TestAzureSecretsStaySecret(t *testing.T) {
	c, problems := buildAzureMSI(`tenants { "`+azureTenant+`" { subscription_id = "`+azureSub+`" app_id = "`+azureApp+`" app_secret = "`+hush+`" } }`, environment(nil))
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	if c.Tenants[azureTenant].AppSecret.reveal() != hush || c.collectorOptions(host{}).Tenants[azureTenant].AppSecret != hush {
		t.Error("the secret is not there for those who need it")
	}
	checkDumps(t, c, c.policyConfig())

	build := func(text string) []plugindata.Problem {
		_, problems := buildAzureMSI(text, environment(nil))
		return problems
	}
	checkProblems(t, "tenants { \""+azureTenant+"\" {\n", []string{
		"app_secret = \"%s\" } }", "app_secret = [\"%s\"] } }", "app_secret = \"%s", "app_sekret = \"%s\" } }", "resource_id = [\"%s\"] } }",
		"app_secret = \"%s\"\nfederated_token_file = \"%s\" } }", "app_id = \"%s\" } }", "subscription_id = \"%s\" } }",
	}, build)
	checkProblems(t, "tenants { \""+azureTenant+"\" {} }\n", []string{
		"authority = \"https://%s:%s@example.org\"", "authority = \"%s\"", "cloud = \"%s\"", "resource_manager = \"https://%s@example.org\"",
		"resource_manager_audience = \"%s\"", "signature_algorithms = [\"%s\"]", "cloud_timeout = \"%s\"", "enforcement { tofu = \"%s\" }",
	}, build)
	_, problems = buildAzureMSI(`tenants { "`+azureTenant+`" {} }`, environment(map[string]string{"AZURE_AUTHORITY_HOST": "https://" + hush + "@example.org"}))
	if len(problems) != 1 {
		t.Errorf("got problems %v, want one", problems)
	}
	checkHidden(t, "the environment's authority", fmt.Sprint(problems))
}
