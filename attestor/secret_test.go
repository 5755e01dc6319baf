package attestor

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
)

// TestSecretsStaySecret puts a secret at every key, right and wrong, and looks
// for it wherever it might come out.
func TestSecretsStaySecret(t *testing.T) {
	const hush = "wJalrXUtnFEMI"
	env := environment(map[string]string{"AWS_SESSION_TOKEN": hush, "AWS_ACCESS_KEY_ID": hush, "AWS_SECRET_ACCESS_KEY": hush})
	check := func(what, text string) {
		t.Helper()
		if strings.Contains(text, hush) {
			t.Errorf("%s shows a secret: %s", what, text)
		}
	}
	for _, text := range []string{"", `access_key_id = "` + hush + `" secret_access_key = "` + hush + `"`} {
		c, problems := buildAWSIID(text, env)
		if len(problems) > 0 {
			t.Fatal(problems)
		}
		if c.AccessKeyID.reveal() != hush || c.SecretAccessKey.reveal() != hush {
			t.Error("the credentials are not there for those who need them")
		}
		hidden := struct{ config awsIIDConfig }{c}
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
			check(verb, fmt.Sprintf(verb, c))
			check(verb+" of a pointer", fmt.Sprintf(verb, &c))
			check(verb+" of an unexported field", fmt.Sprintf(verb, hidden))
			check(verb+" of the policy's", fmt.Sprintf(verb, c.policyConfig()))
		}
		encoded, err := json.Marshal(c)
		if err != nil {
			t.Fatal(err)
		}
		check("JSON", string(encoded))
		var log strings.Builder
		logger := slog.New(slog.NewTextHandler(&log, nil))
		logger.Info("configured", "config", c, "key", c.SecretAccessKey)
		check("slog", log.String())
	}
	for _, pattern := range []string{
		"access_key_id = \"x\"\nsecret_access_key = [\"%s\"]", "secret_access_key = %s", "secret_access_key = \"%s", "secret_access_key = '%s'",
		"secret_access_key \"%s\"", "secret_access_key = \"\\q%s\"", "secret_access_key = <<EOT\n%s\n", "{\"secret_access_key\": %s}",
		"{\"secret_access_key\": \"%s}", "secret_access_key = \"%s\"\nsecret_access_key = \"%s\"", "partition = \"%s\"", "assume_role = \"/%s\"",
		"verify_organization = \"%s\"", "verify_organization { management_account_id = \"%s\" management_account_region = \"%s\" org_account_map_ttl = \"%s\" }",
		"allowed_account_ids = [\"%s\"]", "cloud_timeout = \"%s\"", "enforcement { tofu = \"%s\" }", "skip_block_device = \"%s\"", "unknown = \"%s\"",
		"validate_eks_cluster_membership { eks_cluster_names = [\"!%s\"] }", "skip_block_device = true, = %s", "secret_access_key = 1%s",
	} {
		text := strings.ReplaceAll(pattern, "%s", hush)
		_, problems := buildAWSIID(text, environment(nil))
		if len(problems) == 0 {
			t.Errorf("no problems with %s", text)
		}
		check(pattern, fmt.Sprintf("%q", problems))
	}
}
