package e2e_test

import (
	"encoding/json"
	"errors"
	"strings"

	"github.com/spire-gatehouse/gatehouse/e2e/attestors"
	"github.com/spire-gatehouse/gatehouse/internal/testauthority/awsiid"
)

// sent is a payload with a change to its parts.
func sent(change func(*vector)) func(*trial) {
	return func(tr *trial) {
		tr.send = func(v vector) string {
			change(&v)
			text, err := json.Marshal(v)
			if err != nil {
				panic(err) // a struct of strings can be marshalled
			}
			return string(text)
		}
	}
}

// rewritten is a payload with a change to its text.
func rewritten(change func(string) string) func(*trial) {
	return func(tr *trial) {
		sent(func(*vector) {})(tr)
		send := tr.send
		tr.send = func(v vector) string { return change(send(v)) }
	}
}

func evidenceDifferences() []difference {
	const bad = "outcome=bad_evidence"
	envelope := func(e awsiid.Envelope) func(*trial) { return func(tr *trial) { tr.envelope = e } }
	document := func(change func(*awsiid.Document)) func(*trial) { return func(tr *trial) { change(&tr.document) } }
	return []difference{
		{name: "good node", want: accepts},
		{name: "good node of another region", set: func(tr *trial) { tr.moveTo(account, otherRegion) }, want: accepts},
		{name: "document of two years ago", set: document(func(d *awsiid.Document) { d.PendingTime = "2024-01-02T03:04:05Z" }), want: accepts},
		{name: "short instance ID", set: document(func(d *awsiid.Document) { d.InstanceID = "i-0b22a22e" }), want: accepts},
		{name: "all optional fields", want: accepts, set: document(func(d *awsiid.Document) {
			d.KernelID, d.RamdiskID = "aki-1", "ari-1"
			d.BillingProducts, d.MarketplaceProductCodes, d.DevpayProductCodes = []string{"bp-1"}, []string{"m"}, []string{"d"}
		})},

		{name: "no signature", set: sent(func(v *vector) { v.Signature, v.RSA2048 = "", "" }), want: denies, says: "signature is required", rules: bad},
		{name: "no RSA-1024 signature", set: sent(func(v *vector) { v.Signature = "" }), want: accepts},
		{name: "broken RSA-1024 signature beside a good RSA-2048", set: sent(func(v *vector) { v.Signature = "AAAA" }), want: accepts},
		{name: "broken RSA-1024 signature alone", set: sent(func(v *vector) { v.Signature, v.RSA2048 = "AAAA", "" }), want: denies, says: "verify the cryptographic signature", rules: bad},
		{name: "not base64", set: sent(func(v *vector) { v.RSA2048 = "*" }), want: denies, says: "failed to decode", rules: bad},
		{name: "not PKCS#7", set: sent(func(v *vector) { v.RSA2048 = "AAAA" }), want: denies, says: "failed to parse", rules: bad},
		{name: "changed document", set: sent(func(v *vector) { v.Document = strings.Replace(v.Document, "t3.micro", "t3.large", 1) }), want: denies, says: "does not match", rules: bad},
		{name: "signed in another region", set: func(tr *trial) { tr.signer = tr.authorities[otherRegion] }, want: denies, says: "failed verification", rules: bad},
		{name: "unknown region", want: denies, says: `unsupported region "mars-north-1"`, rules: bad, set: document(func(d *awsiid.Document) {
			d.Region, d.AvailabilityZone = "mars-north-1", "mars-north-1a"
		})},
		{name: "not JSON", set: rewritten(func(string) string { return "document" }), want: denies, says: "unmarshal", rules: bad},
		{name: "document is not JSON", set: sent(func(v *vector) { v.Document = "{" }), want: denies, says: "unmarshal", rules: bad},

		{name: "only RSA-1024", set: sent(func(v *vector) { v.RSA2048 = "" }), want: accepts,
			differs: "rsa1024", gatehouse: denies, rules: "[signature_strength]"},
		{name: "bytes after the PKCS#7 message", set: envelope(awsiid.Envelope{Trailing: []byte{0, 0}}), want: accepts,
			differs: "envelope", gatehouse: denies, rules: bad},
		{name: "foreign certificate in the PKCS#7 message", want: accepts, differs: "envelope", gatehouse: denies, rules: bad,
			set: func(tr *trial) {
				tr.envelope.Certificates = [][]byte{tr.authorities[otherRegion].RSA2048.Raw}
			}},
		{name: "revocation list in the PKCS#7 message", set: envelope(awsiid.Envelope{RevocationList: true}), want: accepts,
			differs: "envelope", gatehouse: denies, rules: bad},
		{name: "no signer", set: envelope(awsiid.Envelope{NoSigner: true}), want: denies, says: "no signers", rules: bad},
		{name: "detached", set: envelope(awsiid.Envelope{Detached: true}), want: denies, says: "digest mismatch", rules: bad},
		{name: "two signers, the second a stranger", want: denies, says: "No certificate for signer", rules: bad, set: func(tr *trial) {
			tr.envelope.ExtraSigner = tr.authorities[otherRegion]
		}},
		{name: "duplicate key in the payload", want: accepts, differs: "payload", gatehouse: denies, rules: bad,
			set: rewritten(func(text string) string { return `{"document":"{}",` + text[1:] })},
		{name: "key in another case", want: accepts, differs: "payload", gatehouse: denies, rules: bad,
			set: rewritten(func(text string) string { return strings.Replace(text, `"document"`, `"DOCUMENT"`, 1) })},
		{name: "unknown key in the payload", want: accepts, differs: "payload", gatehouse: denies, rules: bad,
			set: rewritten(func(text string) string { return `{"extra":1,` + text[1:] })},
		{name: "account ID with a slash", want: denies, says: "describe instance", rules: bad, set: document(func(d *awsiid.Document) { d.AccountID = "123456789012/x" })},
		{name: "zone of another region", want: accepts, differs: "document", gatehouse: denies, rules: bad,
			set: document(func(d *awsiid.Document) { d.AvailabilityZone = otherRegion + "a" })},
		{name: "pending time in the future", want: accepts, differs: "document", gatehouse: denies, rules: bad, set: func(tr *trial) {
			tr.document.PendingTime = "2199-01-02T03:04:05Z"
		}},
		{name: "region of another partition", want: accepts, differs: "partition_rule", gatehouse: denies, rules: "[partition]",
			set: func(tr *trial) { tr.moveTo(account, chinaRegion) }},
		{name: "partition of the configuration", config: `partition = "aws-cn"`, want: accepts, set: func(tr *trial) { tr.moveTo(account, chinaRegion) }},
		{name: "partition aws-us-gov", config: `partition = "aws-us-gov"`, want: accepts, set: func(tr *trial) { tr.moveTo(account, govRegion) }},

		{name: "replay", set: replayed, want: denies, says: "already been used", rules: "[tofu]"},
		{name: "replay before cloud calls", set: replayed, want: denies, says: "already been used", rules: "[tofu]",
			calls: true, differs: "first_use_first", gatehouse: denies},
		{name: "other agent attested", set: func(tr *trial) { tr.attested("/aws_iid/" + account + "/" + region + "/" + tr.id(1)) }, want: accepts},
		{name: "AgentStore fails", want: denies, says: "datastore is gone", rules: "outcome=unavailable", set: func(tr *trial) {
			tr.store.SetAgentErr(attestors.AgentID("/aws_iid/"+account+"/"+region+"/"+tr.id(0)), errors.New("datastore is gone"))
		}},
		{name: "gRPC code", set: func(tr *trial) { tr.absent = true }, want: denies, says: "InvalidInstanceID.NotFound", rules: "instance_state",
			code: true, differs: "codes", gatehouse: denies},
	}
}

// replayed makes the AgentStore know the node's agent.
func replayed(tr *trial) { tr.attested("/aws_iid/" + account + "/" + region + "/" + tr.id(0)) }
