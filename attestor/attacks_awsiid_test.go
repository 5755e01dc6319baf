package attestor

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/organizations"
	orgtypes "github.com/aws/aws-sdk-go-v2/service/organizations/types"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/spire-gatehouse/gatehouse/attestor/plugindata"
	"github.com/spire-gatehouse/gatehouse/evidence/awsiid"
	testauthority "github.com/spire-gatehouse/gatehouse/internal/testauthority/awsiid"
	"github.com/spire-gatehouse/gatehouse/internal/testwait"
)

// Attacks, each as the table in docs/security.md names it: on the plugin over
// gRPC, with the real collector and the baseline policy, and with documents that
// an authority really signed. The authorities are trusted for their own regions,
// as AWS's are.

// authorityOf has an authority for each region that attacks are about.
var authorityOf = map[string]func() (*testauthority.Authority, error){
	"us-west-2":  authority,
	"eu-south-1": sync.OnceValues(func() (*testauthority.Authority, error) { return testauthority.New("eu-south-1") }),
	"cn-north-1": sync.OnceValues(func() (*testauthority.Authority, error) { return testauthority.New("cn-north-1") }),
}

func signer(t *testing.T, region string) *testauthority.Authority {
	t.Helper()
	a, err := authorityOf[region]()
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// awsScene is a plugin and the AWS around it.
type awsScene struct {
	*plugin
	cloud *attackedCloud
	store *agentStore
}

// newAWSScene configures a plugin with more than baseConfig has.
func newAWSScene(t *testing.T, more string) *awsScene {
	t.Helper()
	return newAWSSceneWithin(t, testwait.Patience, more)
}

// newAWSSceneWithin bounds an evaluation of its policy.
func newAWSSceneWithin(t *testing.T, limit time.Duration, more string) *awsScene {
	t.Helper()
	s := &awsScene{cloud: &attackedCloud{cloud: newCloud()}, store: &agentStore{}}
	dir := t.TempDir()
	for region := range authorityOf {
		if err := signer(t, region).WriteCertificates(dir); err != nil {
			t.Fatal(err)
		}
	}
	certificates, err := awsiid.LoadCertificates(dir)
	if err != nil {
		t.Fatal(err)
	}
	s.plugin = serveKind(t, within(limit, attackedKind(s.cloud, certificates)), s.store)
	s.configure(t, baseConfig+more)
	return s
}

// attackedKind is aws_iid in front of a cloud. It trusts AWS's own certificates if
// there are no others.
func attackedKind(cloud awsiid.Clients, certificates *awsiid.Certificates) Kind {
	return Kind{name: "aws_iid", build: func(_ context.Context, text string, _ host) (built, []plugindata.Problem) {
		config, problems := buildAWSIID(text, environment(nil))
		if len(problems) > 0 {
			return built{}, problems
		}
		collector, err := awsiid.New(config.collectorOptions(certificates, cloud, time.Now))
		if err != nil {
			return built{}, []plugindata.Problem{{Msg: err.Error()}}
		}
		result := built{collector: collector, policyConfig: config.policyConfig(), policy: config.Policy, claims: config.Claims, limits: config.Limits, cloudTimeout: time.Minute}
		template, err := config.pathTemplate()
		if err != nil {
			return built{}, []plugindata.Problem{{Msg: err.Error()}}
		}
		result.renderAWS(template)
		return result, nil
	}}
}

// attackedCloud has Organizations besides EC2.
type attackedCloud struct {
	*cloud
	members []string
	lists   atomic.Int64 // how often they were listed
}

func (c *attackedCloud) Organizations(context.Context, awsiid.Scope) (awsiid.Organizations, error) {
	return c, nil
}

func (c *attackedCloud) ListAccounts(context.Context, *organizations.ListAccountsInput, ...func(*organizations.Options)) (*organizations.ListAccountsOutput, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.calls++
	c.lists.Add(1)
	if c.err != nil {
		return nil, c.err
	}
	out := &organizations.ListAccountsOutput{}
	for _, id := range c.members {
		out.Accounts = append(out.Accounts, orgtypes.Account{
			Id: aws.String(id), Arn: aws.String("arn:aws:organizations::777777777777:account/o-a1b2c3d4e5/" + id), State: orgtypes.AccountStateActive,
		})
	}
	return out, nil
}

func (c *attackedCloud) asked() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.calls
}

// parts are those of a payload.
type parts struct {
	Document  string `json:"document"`
	Signature string `json:"signature"`
	RSA2048   string `json:"rsa2048"`
}

func (p parts) json(t *testing.T) []byte {
	t.Helper()
	data, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// sign has a region's authority sign a document, in both ways.
func sign(t *testing.T, region string, document []byte, envelope testauthority.Envelope) parts {
	t.Helper()
	bare, err := signer(t, region).SignRSA1024(document)
	if err != nil {
		t.Fatal(err)
	}
	message, err := signer(t, region).SignRSA2048(document, envelope)
	if err != nil {
		t.Fatal(err)
	}
	return parts{string(document), testauthority.Base64(bare), testauthority.Base64(message)}
}

// genuine is the payload of a genuine node, whose document is changed before it
// is signed by the authority of its region.
func genuine(t *testing.T, change ...func(*testauthority.Document)) parts {
	t.Helper()
	document := testauthority.NewDocument("us-west-2")
	for _, f := range change {
		f(&document)
	}
	return sign(t, document.Region, document.JSON(), testauthority.Envelope{})
}

// of is the document of another instance.
func of(account, instance string) func(*testauthority.Document) {
	return func(d *testauthority.Document) { d.AccountID, d.InstanceID = account, instance }
}

// refused is what becomes of an attack.
type refused struct {
	code    codes.Code
	outcome string
	about   string // what the logged reason begins with
	calls   int    // of the cloud
}

func badEvidenceFor(about string) refused {
	return refused{codes.InvalidArgument, "bad_evidence", about, 0}
}
func deniedBy(rule string, calls int) refused {
	return refused{codes.PermissionDenied, "denied", rule + ": ", calls}
}

// refuses presents a payload, and checks the refusal.
func (s *awsScene) refuses(t *testing.T, payload []byte, want refused) {
	t.Helper()
	before := s.cloud.asked()
	err := s.plugin.refuses(t, payload, want)
	if calls := s.cloud.asked() - before; calls != want.calls {
		t.Errorf("it cost %d cloud calls, want %d (%v)", calls, want.calls, err)
	}
}

func (p *plugin) refuses(t *testing.T, payload []byte, want refused) error {
	t.Helper()
	p.logs.reset()
	attributes, err := p.attest(t, payload)
	if err == nil {
		t.Fatalf("let in as %v", attributes)
	}
	line := p.logs.next(t, "Node attestation refused")
	if status.Code(err) != want.code || line["outcome"] != want.outcome {
		t.Errorf("got %v, logged as %v: %v; want %v, %s", err, line["outcome"], line["reason"], want.code, want.outcome)
	}
	if reason, _ := line["reason"].(string); !strings.HasPrefix(reason, want.about) {
		t.Errorf("the log says\n%q, want\n%q", line["reason"], want.about)
	}
	return err
}

// admits presents a payload, and returns the agent's ID and selectors.
func (p *plugin) admits(t *testing.T, payload []byte) (id string, selectors []string) {
	t.Helper()
	p.logs.reset()
	got, err := p.attest(t, payload)
	if err != nil {
		t.Fatalf("%v: %v", err, p.logs.all())
	}
	return got.SpiffeId, slices.Sorted(slices.Values(got.SelectorValues))
}

func TestAttackContentSubstitution(t *testing.T) {
	s := newAWSScene(t, "")
	own := genuine(t)
	for name, forged := range map[string]string{
		"another account":  strings.Replace(own.Document, "123456789012", "210987654321", 1),
		"another instance": strings.Replace(own.Document, "i-0b22a22eec53b9321", "i-0b22a22eec53b9322", 1),
		"one more space":   strings.Replace(own.Document, "{", "{ ", 1),
	} {
		t.Run(name, func(t *testing.T) {
			p := own
			p.Document = forged
			s.refuses(t, p.json(t), badEvidenceFor("verify: awsiid: rsa2048: what is signed is not the document"))
			p.RSA2048 = ""
			s.refuses(t, p.json(t), badEvidenceFor("verify: awsiid: rsa1024: crypto/rsa: verification error"))
		})
	}
}

func TestAttackSignerConfusion(t *testing.T) {
	s := newAWSScene(t, "")
	document := testauthority.NewDocument("us-west-2").JSON()
	ours, foreign := signer(t, "us-west-2"), signer(t, "eu-south-1")
	for name, tc := range map[string]struct {
		envelope testauthority.Envelope
		want     string
	}{
		"trusted certificate, foreign signer":     {testauthority.Envelope{Certificates: [][]byte{ours.RSA2048.Raw}, NoSigner: true, ExtraSigner: foreign}, "signer with serial number"},
		"two certificates, foreign signer":        {testauthority.Envelope{Certificates: [][]byte{ours.RSA2048.Raw, foreign.RSA2048.Raw}, NoSigner: true, ExtraSigner: foreign}, "signer with serial number"},
		"foreign signer in the name of ours":      {testauthority.Envelope{}, "crypto/rsa: verification error"}, // signed below
		"our signer, and a foreign one":           {testauthority.Envelope{ExtraSigner: foreign}, "signed data: more than one signer"},
		"our signer, with a foreign certificate":  {testauthority.Envelope{Certificates: [][]byte{foreign.RSA2048.Raw}}, "a certificate in the message that is not the region's"},
		"no signer":                               {testauthority.Envelope{NoSigner: true}, "signed data: no signer"},
		"no content":                              {testauthority.Envelope{Detached: true}, "signed data: no content"},
		"empty content":                           {testauthority.Envelope{Empty: true}, "signed data: empty content"},
		"a signature over the content alone":      {testauthority.Envelope{NoAttributes: true}, "signer: no signed attributes"},
		"attributes that name no kind of content": {testauthority.Envelope{NoContentType: true}, "signer: no signed attribute contentType"},
	} {
		t.Run(name, func(t *testing.T) {
			p := sign(t, "us-west-2", document, tc.envelope)
			if strings.HasPrefix(name, "foreign signer in") {
				p = sign(t, "eu-south-1", document, testauthority.Envelope{Issuer: ours.RSA2048.RawIssuer, Serial: ours.RSA2048.SerialNumber})
			}
			s.refuses(t, p.json(t), badEvidenceFor("verify: awsiid: rsa2048: "+tc.want))
		})
	}
}

func TestAttackDowngrade(t *testing.T) {
	s := newAWSScene(t, "")
	weak := genuine(t)
	weak.RSA2048 = ""
	s.refuses(t, weak.json(t), deniedBy("signature_strength", 0))

	unknown := testauthority.NewDocument("us-west-9")
	p := sign(t, "us-west-2", unknown.JSON(), testauthority.Envelope{})
	s.refuses(t, p.json(t), badEvidenceFor("verify: awsiid: rsa2048: no certificate of region us-west-9 is known"))
	p.RSA2048 = ""
	s.refuses(t, p.json(t), badEvidenceFor("verify: awsiid: rsa1024: no certificate of region us-west-9 is known"))

	broken := genuine(t)
	broken.RSA2048 = broken.RSA2048[:len(broken.RSA2048)-8]
	s.refuses(t, broken.json(t), badEvidenceFor("verify: awsiid: rsa2048: "))
}

func TestAttackRegionSpoof(t *testing.T) {
	s := newAWSScene(t, "")
	in := func(region, zone string) []byte {
		d := testauthority.NewDocument(region)
		d.AvailabilityZone = zone
		return d.JSON()
	}
	for name, tc := range map[string]struct {
		signer   string
		document []byte
		want     refused
	}{
		"another region's key":          {"us-west-2", in("eu-south-1", "eu-south-1b"), badEvidenceFor("verify: awsiid: rsa2048: signer with serial number")},
		"no region":                     {"us-west-2", in("", "us-west-2b"), badEvidenceFor(`verify: awsiid: document: region "" is not an AWS region`)},
		"a host for a region":           {"us-west-2", in("us-west-2.evil.example", "us-west-2b"), badEvidenceFor(`verify: awsiid: document: region "us-west-2.evil.example" is not an AWS region`)},
		"a zone of another region":      {"us-west-2", in("us-west-2", "eu-south-1b"), badEvidenceFor(`verify: awsiid: document: availabilityZone "eu-south-1b" is not one of region us-west-2`)},
		"a region that begins alike":    {"us-west-2", in("us-west-2", "us-west-21b"), badEvidenceFor(`verify: awsiid: document: availabilityZone "us-west-21b" is not one of region us-west-2`)},
		"China's in partition aws":      {"cn-north-1", in("cn-north-1", "cn-north-1b"), deniedBy("partition", 0)},
		"China's key for partition aws": {"cn-north-1", in("us-west-2", "us-west-2b"), badEvidenceFor("verify: awsiid: rsa2048: signer with serial number")},
	} {
		t.Run(name, func(t *testing.T) {
			p := sign(t, tc.signer, tc.document, testauthority.Envelope{})
			s.refuses(t, p.json(t), tc.want)
		})
	}
}

// ageRule is an operator's: at first use an instance must be young.
const ageRule = `package gatehouse.aws_iid

admission_violation contains {"rule": "launch_age", "msg": "was launched long ago"} if {
	not input.tofu.attested
	time.parse_rfc3339_ns(input.time) - time.parse_rfc3339_ns(input.evidence.pending_time) > (30 * 60) * 1000000000
}
`

// agePolicy is plugin_data with that rule over the baseline.
func agePolicy(t *testing.T) string {
	t.Helper()
	dir := policyDir(t.TempDir())
	dir.write(t, "gatehouse/aws_iid/launch_age.rego", ageRule)
	return fmt.Sprintf("policy { directory = %q }\n", string(dir))
}

// at is a document of an instance that was launched then.
func at(when time.Time) func(*testauthority.Document) {
	return func(d *testauthority.Document) { d.PendingTime = when.UTC().Format("2006-01-02T15:04:05Z") }
}

func TestAttackReplay(t *testing.T) {
	s := newAWSScene(t, "")
	s.store.add(agentID)
	s.refuses(t, genuine(t).json(t), deniedBy("tofu", 0))

	stolen := genuine(t, of("123456789012", "i-0b22a22eec53b9322"))
	s.cloud.instances = nil
	s.refuses(t, stolen.json(t), deniedBy("instance_state", 1))

	future := genuine(t, at(time.Now().Add(10*time.Minute)))
	s.refuses(t, future.json(t), badEvidenceFor("verify: awsiid: document: pendingTime "))
	timeless := genuine(t, func(d *testauthority.Document) { d.PendingTime = "" })
	s.refuses(t, timeless.json(t), badEvidenceFor(`verify: awsiid: document: pendingTime "" is not an RFC 3339 time`))

	aged := newAWSScene(t, agePolicy(t))
	month := genuine(t, at(time.Now().AddDate(0, 0, -30)))
	aged.refuses(t, month.json(t), deniedBy("launch_age", 0))
	if id, _ := aged.admits(t, genuine(t, at(time.Now().Add(-time.Minute))).json(t)); id != agentID {
		t.Errorf("a young one got %s", id)
	}
}
