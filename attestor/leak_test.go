package attestor

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"runtime/pprof"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/spire-gatehouse/gatehouse/internal/testwait"
)

// TestReconfigureLeaksNothing: of configurations that are no longer in force no
// goroutine is left, and so no connection, however often there is another.
func TestReconfigureLeaksNothing(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusForbidden)
		fmt.Fprint(w, `<Response><Errors><Error><Code>UnauthorizedOperation</Code></Error></Errors></Response>`)
	}))
	t.Cleanup(server.Close)
	for name, value := range map[string]string{
		"AWS_ENDPOINT_URL": server.URL, "AWS_EC2_METADATA_DISABLED": "true", "AWS_CONFIG_FILE": os.DevNull, "AWS_SHARED_CREDENTIALS_FILE": os.DevNull,
		"AWS_ACCESS_KEY_ID": "AKIAEXAMPLE", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_SESSION_TOKEN": "", "AWS_PROFILE": "", "AWS_REGION": "us-west-2",
	} {
		t.Setenv(name, value)
	}
	certificates := t.TempDir()
	if err := signer(t, "us-west-2").WriteCertificates(certificates); err != nil {
		t.Fatal(err)
	}
	p := serveKind(t, AWSIID(), &agentStore{})
	round := func(n int) {
		p.configure(t, fmt.Sprintf("%s\nidentity_document_certificates = %q\nlimits { max_concurrent = %d }\n", baseConfig, certificates, n))
		if _, err := p.attest(t, genuine(t).json(t)); status.Code(err) != codes.Unavailable {
			t.Fatalf("got %v", err)
		}
	}
	round(1)
	before := runtime.NumGoroutine()
	for n := range 10 {
		round(n + 2)
	}
	// The server notices a closed connection a little later than the plugin.
	testwait.Until(t, func() string {
		if runtime.NumGoroutine() <= before+3 {
			return ""
		}
		var stacks strings.Builder
		_ = pprof.Lookup("goroutine").WriteTo(&stacks, 1)
		return fmt.Sprintf("%d goroutines, %d before:\n%s", runtime.NumGoroutine(), before, stacks.String())
	})
}
