package e2e_test

import (
	"context"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/spire-gatehouse/gatehouse/e2e/spire"
	"github.com/spire-gatehouse/gatehouse/e2e/stage"
	"github.com/spire-gatehouse/gatehouse/e2e/standin/aws"
	"github.com/spire-gatehouse/gatehouse/internal/testpostgres"
)

// How many nodes attest at both servers, and how many of them at a time. AWS
// answers as quickly as it does in a good hour. windowGaps are how much later a node
// asks at the second server.
const (
	windowNodes   = 200
	windowAtATime = 10
	windowLatency = 50 * time.Millisecond
)

var windowGaps = []time.Duration{0, windowLatency / 2}

// TestWindow: two SPIRE servers on one datastore are shown the same evidence at the
// same instant. With claims in a database, one of them accepts.
func TestWindow(t *testing.T) {
	t.Parallel()
	cloud := newAWS(t)
	cloud.API.Faults.Add(aws.Fault{Action: "ec2:DescribeInstances", Latency: windowLatency})
	postgres := testpostgres.Start(t)
	data := cloud.PluginData() + fmt.Sprintf(`
            claims {
                backend = "postgres"
                connection_string = %q
                timeout = "30s"
            }`, postgres.Database(t))
	w := newWindow(t, cloud, binaries(t), serverConfig(t, cloud, data), postgres.Database(t))
	for i, gap := range windowGaps {
		outcomes := w.attest(t, i, gap)
		t.Logf("Gatehouse, %v", outcomes)
		if outcomes != (windowOutcomes{gap: gap, one: windowNodes}) {
			t.Error("want exactly one accept each")
		}
	}
	agents, err := w.servers[0].Agents(t.Context())
	if want := windowNodes * len(windowGaps); err != nil || len(agents) != want {
		t.Errorf("SPIRE has %d agents, %v; want %d", len(agents), err, want)
	}
}

// TestWindowOfBuiltIn is the same with SPIRE's own attestor, for the record.
func TestWindowOfBuiltIn(t *testing.T) {
	t.Parallel()
	cloud := newAWS(t)
	cloud.API.Faults.Add(aws.Fault{Action: "ec2:DescribeInstances", Latency: windowLatency})
	found := binaries(t)
	dir, err := programs()
	if err != nil {
		t.Fatal(err)
	}
	if found.Server, err = spire.BuildTrustingServer(t.Context(), dir); err != nil {
		t.Fatal(err)
	}
	certificate := filepath.Join(t.TempDir(), "certificate.pem")
	block := &pem.Block{Type: "CERTIFICATE", Bytes: cloud.Authority.RSA2048.Raw}
	if err := os.WriteFile(certificate, pem.EncodeToMemory(block), 0o600); err != nil {
		t.Fatal(err)
	}
	config := spire.ServerConfig{
		NodeAttestors: fmt.Sprintf(`
    NodeAttestor "aws_iid" {
        plugin_data {
            access_key_id = %q
            secret_access_key = %q
        }
    }`, stage.AccessKeyID, stage.SecretAccessKey),
		Env: append(cloud.Env(), "TRUSTED_REGION="+region, "TRUSTED_CERTIFICATE="+certificate),
	}
	w := newWindow(t, cloud, found, config, testpostgres.Start(t).Database(t))
	for i, gap := range windowGaps {
		outcomes := w.attest(t, i, gap)
		t.Logf("SPIRE's built-in attestor, %v", outcomes)
		if outcomes.none > 0 {
			t.Error("an honest node was not let in: the comparison is with something broken")
		}
	}
}

// window is two servers on one datastore, and nodes that have not attested.
type window struct {
	servers  [2]*spire.Server
	clients  [2]*spire.Client
	payloads [][]byte // windowNodes for each gap
}

func newWindow(t *testing.T, cloud *stage.AWS, programs spire.Binaries, config spire.ServerConfig, database string) *window {
	t.Helper()
	config.Database = database
	w := &window{}
	for i := range w.servers {
		var err error
		if w.servers[i], err = spire.StartServer(t.Context(), programs, config); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(w.servers[i].Stop)
		if w.clients[i], err = w.servers[i].NewClient(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(w.clients[i].Close)
	}
	for i := range windowNodes * len(windowGaps) {
		document := cloud.Document(fmt.Sprintf("i-%017x", i))
		instance, err := stage.Instance(document)
		if err != nil {
			t.Fatal(err)
		}
		cloud.World.PutInstance(account, region, instance)
		payload, err := cloud.Authority.Payload(document.JSON())
		if err != nil {
			t.Fatal(err)
		}
		w.payloads = append(w.payloads, payload)
	}
	return w
}

// windowOutcomes counts nodes by how many servers accepted them. clashes are those
// whose second accept only SPIRE's datastore stopped, which stores no node twice.
type windowOutcomes struct {
	gap                      time.Duration
	none, one, both, clashes int
}

func (o windowOutcomes) String() string {
	return fmt.Sprintf("%d nodes that attested at two servers %v apart: %d accepted by both, %d by one (%d of them thanks to the datastore), %d by none",
		windowNodes, o.gap, o.both, o.one, o.clashes, o.none)
}

// attest has each of a gap's nodes attest at both servers.
func (w *window) attest(t *testing.T, part int, gap time.Duration) windowOutcomes {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	var mu sync.Mutex
	outcomes := windowOutcomes{gap: gap}
	turns := make(chan struct{}, windowAtATime)
	var nodes sync.WaitGroup
	for _, payload := range w.payloads[part*windowNodes:][:windowNodes] {
		turns <- struct{}{}
		nodes.Go(func() {
			defer func() { <-turns }()
			accepted, clashes := w.pair(ctx, t, payload, gap)
			mu.Lock()
			defer mu.Unlock()
			outcomes.clashes += clashes
			switch accepted {
			case 0:
				outcomes.none++
			case 1:
				outcomes.one++
			default:
				outcomes.both++
			}
		})
	}
	nodes.Wait()
	return outcomes
}

// pair has one node attest at both servers, and counts the accepts.
func (w *window) pair(ctx context.Context, t *testing.T, payload []byte, gap time.Duration) (accepted, clashes int) {
	var errs [2]error
	start := make(chan struct{})
	var both sync.WaitGroup
	for i, client := range w.clients {
		both.Go(func() {
			<-start
			time.Sleep(time.Duration(i) * gap)
			_, errs[i] = client.Attest(ctx, "aws_iid", payload)
		})
	}
	close(start)
	both.Wait()
	for _, err := range errs {
		switch code := status.Code(err); {
		case code == codes.OK:
			accepted++
		case code == codes.Unavailable, code == codes.PermissionDenied:
		case strings.Contains(err.Error(), "duplicate key value"):
			clashes++
		default:
			t.Errorf("unexpected refusal: %v", err)
		}
	}
	return accepted, clashes
}
