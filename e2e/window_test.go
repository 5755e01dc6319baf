package e2e_test

import (
	"context"
	"fmt"
	"path/filepath"
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
// answers as quickly as it does in a good hour.
const (
	windowNodes   = 200
	windowAtATime = 10
	windowLatency = 50 * time.Millisecond
)

// TestWindow: two SPIRE servers on one datastore are shown the same evidence at the
// same instant. With claims in a database, one of them accepts.
func TestWindow(t *testing.T) {
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
	outcomes := w.attest(t)
	t.Logf("Gatehouse: %v", outcomes)
	if outcomes != (windowOutcomes{one: windowNodes}) {
		t.Errorf("of %d nodes %+v, want exactly one accept each", windowNodes, outcomes)
	}
	agents, err := w.servers[0].Agents(t.Context())
	if err != nil || len(agents) != windowNodes {
		t.Errorf("SPIRE has %d agents, %v; want %d", len(agents), err, windowNodes)
	}
}

// TestWindowOfBuiltIn is the same with SPIRE's own attestor, for the record.
func TestWindowOfBuiltIn(t *testing.T) {
	cloud := newAWS(t)
	cloud.API.Faults.Add(aws.Fault{Action: "ec2:DescribeInstances", Latency: windowLatency})
	found := binaries(t)
	var err error
	if found.Server, err = spire.BuildTrustingServer(t.Context(), t.TempDir()); err != nil {
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
		Env: append(cloud.Env(), "TRUSTED_REGION="+region, "TRUSTED_CERTIFICATE="+filepath.Join(cloud.Certificates, region+".pem")),
	}
	w := newWindow(t, cloud, found, config, testpostgres.Start(t).Database(t))
	outcomes := w.attest(t)
	t.Logf("SPIRE's built-in attestor: %v", outcomes)
	if outcomes.none > 0 || outcomes.one+outcomes.both != windowNodes {
		t.Errorf("of %d nodes %+v: the comparison is with something broken", windowNodes, outcomes)
	}
}

// window is two servers on one datastore, and nodes that have not attested.
type window struct {
	servers  [2]*spire.Server
	clients  [2]*spire.Client
	payloads [windowNodes][]byte
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
	for i := range w.payloads {
		document := cloud.Document(fmt.Sprintf("i-%017x", i))
		instance, err := stage.Instance(document)
		if err != nil {
			t.Fatal(err)
		}
		cloud.World.PutInstance(account, region, instance)
		if w.payloads[i], err = cloud.Authority.Payload(document.JSON()); err != nil {
			t.Fatal(err)
		}
	}
	return w
}

// windowOutcomes counts nodes by how many servers accepted them.
type windowOutcomes struct{ none, one, both int }

func (o windowOutcomes) String() string {
	return fmt.Sprintf("of %d nodes that attested at two servers at once, %d were accepted by both, %d by one, %d by none", windowNodes, o.both, o.one, o.none)
}

// attest has each node attest at both servers at the same instant.
func (w *window) attest(t *testing.T) windowOutcomes {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	var mu sync.Mutex
	var outcomes windowOutcomes
	turns := make(chan struct{}, windowAtATime)
	var nodes sync.WaitGroup
	for _, payload := range w.payloads {
		turns <- struct{}{}
		nodes.Go(func() {
			defer func() { <-turns }()
			accepted := w.pair(ctx, t, payload)
			mu.Lock()
			defer mu.Unlock()
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
func (w *window) pair(ctx context.Context, t *testing.T, payload []byte) int {
	var errs [2]error
	start := make(chan struct{})
	var both sync.WaitGroup
	for i, client := range w.clients {
		both.Go(func() {
			<-start
			_, errs[i] = client.Attest(ctx, "aws_iid", payload)
		})
	}
	close(start)
	both.Wait()
	accepted := 0
	for _, err := range errs {
		switch status.Code(err) {
		case codes.OK:
			accepted++
		case codes.Unavailable, codes.PermissionDenied:
		case codes.Internal: // SPIRE's datastore refuses to store a node twice
		default:
			t.Errorf("unexpected refusal: %v", err)
		}
	}
	return accepted
}
