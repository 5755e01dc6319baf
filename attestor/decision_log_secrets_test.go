package attestor

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
)

// uploads is a service that keeps the texts of what it is sent.
type uploads struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (u *uploads) ServeHTTP(_ http.ResponseWriter, r *http.Request) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if unpacked, err := gzip.NewReader(r.Body); err == nil {
		io.Copy(&u.text, unpacked)
	}
}

// everySink is a configuration that writes everywhere.
func everySink(log logged, server *httptest.Server) string {
	return fmt.Sprintf(`decision_log {
		file { path = %q }
		console = true
		service "collector" { url = %q credentials { bearer { token = %q } } }
		upload { service = "collector" }
	}
	`, log.path, server.URL, hush+"-bearer")
}

// checkSinks looks for texts in every sink and in the server's log, and wants one
// in each that must be there.
func checkSinks(t *testing.T, p *plugin, log logged, u *uploads, present string, secrets ...string) {
	t.Helper()
	if err := p.under.Close(); err != nil {
		t.Fatal(err)
	}
	file, err := os.ReadFile(log.path)
	if err != nil {
		t.Fatal(err)
	}
	p.logs.mu.Lock()
	server := fmt.Sprintf("%+v", p.logs.lines)
	p.logs.mu.Unlock()
	u.mu.Lock()
	defer u.mu.Unlock()
	for sink, text := range map[string]string{"file": string(file), "server's log": server, "upload": u.text.String()} {
		if !strings.Contains(text, present) {
			t.Errorf("%s is not in the %s:\n%s", present, sink, text)
		}
		for _, secret := range secrets {
			for _, form := range []string{secret, base64.StdEncoding.EncodeToString([]byte(secret)), base64.RawURLEncoding.EncodeToString([]byte(secret))} {
				if len(secret) < 10 || strings.Contains(text, form) {
					t.Errorf("%.20s… is in the %s", secret, sink)
				}
			}
		}
	}
}

// TestNoSecretInAnySink attests, well and badly, with secrets at every place that
// has any, and looks for them in every sink. (A key that no payload has is shown.)
func TestNoSecretInAnySink(t *testing.T) {
	u := &uploads{}
	server := httptest.NewServer(u)
	defer server.Close()

	p, log := serve(t, newCloud(), &agentStore{}), newLogged(t)
	p.configure(t, baseConfig+fmt.Sprintf("access_key_id = %q\nsecret_access_key = %q\n", hush+"-id", hush+"-secret")+everySink(log, server))
	good := payload(t, nil)
	var sent map[string]string
	if err := json.Unmarshal(good, &sent); err != nil {
		t.Fatal(err)
	}
	for _, evidence := range [][]byte{
		good,
		payload(t, func(p map[string]string) { p["rsa2048"] = "" }),                           // denied
		payload(t, func(p map[string]string) { p["signature"] = hush; p["rsa2048"] = "" }),    // forged
		payload(t, func(p map[string]string) { p["rsa2048"] += hush }),                        // no base64
		payload(t, func(p map[string]string) { p["document"] = p["document"] + hush }),        // changed
		payload(t, func(p map[string]string) { p["document"] = `{"accountId": "` + hush }),    // no JSON
		payload(t, func(p map[string]string) { p["document"] = `{"` + hush + `": "` + hush }), // no JSON
		[]byte(hush), []byte(`"` + hush + `"`), []byte(`{"document": "` + hush + `", "signature": 1}`),
	} {
		p.attest(t, evidence)
	}
	checkSinks(t, p, log, u, "i-0b22a22eec53b9321", hush, sent["signature"], sent["rsa2048"])
}

// TestNoTokenInAnySink does the same with tokens and an app's secret.
func TestNoTokenInAnySink(t *testing.T) {
	u := &uploads{}
	server := httptest.NewServer(u)
	defer server.Close()

	s, log := newAzureScene(t), newLogged(t)
	s.configure(t, `tenants { "`+azureTenant+`" { subscription_id = "`+azureSub+`" app_id = "`+azureApp+`" app_secret = "`+hush+`" } }
	`+everySink(log, server))
	good := s.vm().Sign()
	parts := strings.Split(good, ".")
	forged := parts[0] + "." + parts[1] + "." + strings.Repeat("A", len(parts[2]))
	for _, token := range []string{good, forged, good + "x", parts[0], hush, strings.Join(parts[:2], "."), parts[0] + "." + parts[1] + "x." + parts[2], hush + "." + hush + "." + hush} {
		s.attest(t, azurePayload(t, token))
	}
	s.attest(t, []byte(good))
	checkSinks(t, s.plugin, log, u, azurePrincipal, hush, good, parts[0], parts[1], parts[2])
}
