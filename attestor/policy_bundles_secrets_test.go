package attestor

import (
	"fmt"
	"strings"
	"testing"

	"github.com/spire-gatehouse/gatehouse/internal/testbundles"
)

// What authenticates to a service shows nowhere, whatever goes wrong.
func TestBundleCredentialsStaySecret(t *testing.T) {
	const token, header, sas = "s3cr3t-token-value", "s3cr3t-header-value", "sig=s3cr3t-signature"
	s := testbundles.NewServer(t)
	s.RequireToken(token)
	s.Publish("/policy", testbundles.Build(t, testbundles.Spec{Revision: "r1", Files: map[string]string{"gatehouse/aws_iid/tofu.rego": tofuOff}}))
	starting := func(timeout, url, more string) string {
		return baseConfig + fmt.Sprintf(`policy {
			start_timeout = %q
			service "s" {
				url = %q
				headers { X-Api-Key = %q }
				credentials { bearer { token = %q %s } }
			}
			bundle "b" { service = "s" resource = "policy?%s" %s }
		}`, timeout, url, header, token, more, sas, everySecond)
	}
	config := func(url, more string) string { return starting("1s", url, more) }
	p := serve(t, newCloud(), &agentStore{})
	if _, err := p.config.Configure(t.Context(), configure(starting("240s", s.URL, ""))); err != nil {
		t.Fatal(err)
	}
	p.own(t)
	s.RequireToken("another")
	errs := []string{fmt.Sprint(p.logs.next(t, policyUnavailable))}
	s.Close()
	errs = append(errs, fmt.Sprint(p.logs.next(t, policyUnavailable)))
	for name, text := range map[string]string{
		"nobody listens":     config(s.URL, ""),
		"two tokens":         config("http://127.0.0.1:1", `token_path = "/x"`),
		"wrong type":         config("http://127.0.0.1:1", `scheme = ["`+token+`"]`),
		"a password in it":   config("http://user:"+token+"@127.0.0.1:1", ""),
		"control characters": config("http://127.0.0.1:1", "") + strings.Replace(config("http://127.0.0.1:1", ""), "policy?", "\\u0001"+token+"?", 1),
	} {
		_, err := p.config.Configure(t.Context(), configure(text))
		if err == nil {
			t.Errorf("%s: configured", name)
		}
		errs = append(errs, fmt.Sprint(err), fmt.Sprint(p.validate(t, text)))
	}
	decoded, _ := buildAWSIID(config(s.URL, ""), environment(nil))
	errs = append(errs, fmt.Sprintf("%+v %#v", decoded, decoded), fmt.Sprint(decoded.policyConfig()), fmt.Sprint(p.logs.all()))
	for _, text := range errs {
		for _, secret := range []string{token, header, sas} {
			if strings.Contains(text, secret) {
				t.Errorf("shows %s: %s", secret, text)
			}
		}
	}
	if !strings.Contains(strings.Join(errs, "\n"), `service "s": `) {
		t.Errorf("no error names the service: %q", errs)
	}
}
