package e2e_test

import (
	"context"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	agentstorev1 "github.com/spiffe/spire-plugin-sdk/proto/spire/hostservice/server/agentstore/v1"
	"github.com/spiffe/spire/pkg/server/plugin/nodeattestor/awsiid/awsrsa1024"
	"github.com/spiffe/spire/pkg/server/plugin/nodeattestor/awsiid/awsrsa2048"
	"github.com/spiffe/spire/test/fakes/fakeagentstore"

	"github.com/spire-gatehouse/gatehouse/e2e/attestors"
	"github.com/spire-gatehouse/gatehouse/e2e/stage"
	"github.com/spire-gatehouse/gatehouse/e2e/standin"
	"github.com/spire-gatehouse/gatehouse/e2e/standin/aws"
	"github.com/spire-gatehouse/gatehouse/internal/testauthority/awsiid"
)

// Regions and accounts of trials.
const (
	otherRegion  = "us-west-2"
	chinaRegion  = "cn-north-1"
	govRegion    = "us-gov-west-1"
	otherAccount = "210987654321"
	thirdAccount = "333333333333"
)

// authorities sign documents of their regions. There is one set for all tests of
// this process, since the built-in never forgets a certificate.
var authorities = sync.OnceValues(func() (map[string]*awsiid.Authority, error) {
	all := map[string]*awsiid.Authority{}
	for _, region := range []string{region, otherRegion, chinaRegion, govRegion} {
		authority, err := awsiid.New(region)
		if err != nil {
			return nil, err
		}
		all[region] = authority
	}
	return all, nil
})

// A ring is where trials are held: an AWS at one address, which attestors find in
// the environment that they are given, and an AgentStore that both ask.
type ring struct {
	store        *storeSwitch
	api          *apiSwitch
	authorities  map[string]*awsiid.Authority
	certificates string // directory
	url          string // of the AWS

	// inForce is the plugin_data that an attestor is configured with.
	inForce map[*attestors.Attestor]string
}

func newRing(t *testing.T) *ring {
	t.Helper()
	signers, err := authorities()
	if err != nil {
		t.Fatal(err)
	}
	r := &ring{store: &storeSwitch{}, api: &apiSwitch{}, authorities: signers, certificates: t.TempDir(),
		inForce: map[*attestors.Attestor]string{}}
	for _, authority := range signers {
		if err := authority.WriteCertificates(r.certificates); err != nil {
			t.Fatal(err)
		}
	}
	listener, err := standin.Listen(t.Context(), r.api)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(listener.Close)
	r.url = listener.URL
	return r
}

// trustedByBuiltIn puts the authorities in AWS's place for the length of the test.
func trustedByBuiltIn(t *testing.T, signers map[string]*awsiid.Authority) {
	t.Helper()
	before2048, before1024 := maps.Clone(awsrsa2048.CACerts), maps.Clone(awsrsa1024.CACerts)
	t.Cleanup(func() {
		maps.Copy(awsrsa2048.CACerts, before2048)
		maps.Copy(awsrsa1024.CACerts, before1024)
	})
	for region, authority := range signers {
		awsrsa2048.CACerts[region] = string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: authority.RSA2048.Raw}))
		awsrsa1024.CACerts[region] = string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: authority.RSA1024.Raw}))
	}
}

// A trial is one node before one attestor, for a case to change. The embedded
// node is the one that is judged.
type trial struct {
	*node
	dir   string // for files that the configuration names
	store *fakeagentstore.AgentStore
	api   *aws.Server

	// before attest first.
	before []*node

	// bare has no credentials in the configuration.
	bare bool

	// cached says that the node has what attestors keep answers about, even
	// without being configured to: a profile.
	cached bool

	number       int
	certificates string
	authorities  map[string]*awsiid.Authority
}

// id is the ID of the node, 0, or another instance of the trial. No other trial
// has it: Gatehouse remembers for a while whom it has let in.
func (tr *trial) id(n int) string { return fmt.Sprintf("i-%013x%04x", tr.number, n) }

// A node is an instance, with its document and its payload.
type node struct {
	world    *aws.World
	document awsiid.Document
	signer   *awsiid.Authority
	envelope awsiid.Envelope

	// change changes what EC2 says; absent means that EC2 doesn't know it.
	change []func(*aws.Instance)
	absent bool

	// entered happens as it comes to the attestor.
	entered func()

	// send changes the payload.
	send func(vector) string
}

// newTrial makes a world with one node in the server's own account, and makes
// the AWS's address and the AgentStore those of the trial.
func (r *ring) newTrial(t *testing.T, number int) *trial {
	t.Helper()
	world := aws.NewWorld(nil)
	for region := range r.authorities {
		world.AddRegion(region)
	}
	world.AddUser(account, stage.AccessKeyID, stage.SecretAccessKey)
	tr := &trial{store: fakeagentstore.New(), api: aws.New(world), dir: t.TempDir(), number: number, certificates: r.certificates, authorities: r.authorities}
	tr.node = tr.newNode(world, account, region, tr.id(0))
	r.store.current.Store(tr.store)
	r.api.current.Store(tr.api)
	return tr
}

// newNode makes a good node, which is not in the trial yet.
func (tr *trial) newNode(world *aws.World, account, region, id string) *node {
	document := awsiid.NewDocument(region)
	document.AccountID, document.InstanceID = account, id
	document.PendingTime = time.Now().UTC().Add(-5 * time.Minute).Format("2006-01-02T15:04:05Z")
	return &node{world: world, document: document, signer: tr.authorities[region]}
}

// neighbour makes another good node that attests before the one that is judged.
func (tr *trial) neighbour(account string, n int) {
	tr.before = append(tr.before, tr.newNode(tr.world, account, tr.document.Region, tr.id(n)))
}

// moveTo makes the node one of another account and region.
func (tr *trial) moveTo(account, region string) {
	tr.document.AccountID, tr.document.Region, tr.document.AvailabilityZone = account, region, region+"b"
	tr.signer = tr.authorities[region]
}

// instance changes what EC2 says about the node.
func (n *node) instance(change func(*aws.Instance)) { n.change = append(n.change, change) }

// fault makes an action go wrong.
func (tr *trial) fault(action string, err *aws.Error) {
	tr.api.Faults.Add(aws.Fault{Action: action, Error: err})
}

// attested makes the AgentStore know an agent.
func (tr *trial) attested(path string) {
	tr.store.SetAgentInfo(&agentstorev1.AgentInfo{AgentId: attestors.AgentID(path)})
}

// file writes a file into the trial's directory.
func (tr *trial) file(name, content string) {
	if err := os.WriteFile(filepath.Join(tr.dir, name), []byte(content), 0o600); err != nil {
		panic(err) // of a test's own temporary directory
	}
}

// pluginData is the configuration: the case's, in which DIR is the trial's
// directory, beside what every case needs. The built-in passes over the key that
// it doesn't know.
func (tr *trial) pluginData(more string) string {
	text := fmt.Sprintf("identity_document_certificates = %q\n", tr.certificates)
	if !tr.bare {
		text += fmt.Sprintf("access_key_id = %q\nsecret_access_key = %q\n", stage.AccessKeyID, stage.SecretAccessKey)
	}
	return text + strings.ReplaceAll(more, "DIR", tr.dir)
}

// enter puts the node into the world.
func (n *node) enter(t *testing.T) {
	t.Helper()
	if n.entered != nil {
		n.entered()
	}
	if n.absent {
		return
	}
	instance, err := stage.Instance(n.document)
	if err != nil {
		t.Fatal(err)
	}
	for _, change := range n.change {
		change(&instance)
	}
	n.world.PutInstance(n.document.AccountID, n.document.Region, instance)
}

// payload signs the document and sends it as the case wants it sent.
func (n *node) payload(t *testing.T) []byte {
	t.Helper()
	document := n.document.JSON()
	signature, err := n.signer.SignRSA1024(document)
	if err != nil {
		t.Fatal(err)
	}
	envelope, err := n.signer.SignRSA2048(document, n.envelope)
	if err != nil {
		t.Fatal(err)
	}
	payload := awsiid.Payload(document, signature, envelope)
	if n.send == nil {
		return payload
	}
	var parts vector
	if err := json.Unmarshal(payload, &parts); err != nil {
		t.Fatal(err)
	}
	return []byte(n.send(parts))
}

// apiSwitch answers as the AWS of the trial that is held.
type apiSwitch struct{ current atomic.Pointer[aws.Server] }

func (s *apiSwitch) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.current.Load().ServeHTTP(w, r)
}

// storeSwitch answers as the AgentStore of the trial that is held.
type storeSwitch struct {
	agentstorev1.UnsafeAgentStoreServer
	current atomic.Pointer[fakeagentstore.AgentStore]
}

func (s *storeSwitch) GetAgentInfo(ctx context.Context, req *agentstorev1.GetAgentInfoRequest) (*agentstorev1.GetAgentInfoResponse, error) {
	return s.current.Load().GetAgentInfo(ctx, req)
}
