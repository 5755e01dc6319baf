package e2e_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/spire-gatehouse/gatehouse/internal/testauthority/awsiid"
)

// vector is the real payload taken apart, for a variant to change.
type vector struct {
	Document  string `json:"document"`
	Signature string `json:"signature"`
	RSA2048   string `json:"rsa2048"`
}

func (v vector) payload(t *testing.T) []byte {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// message decodes the PKCS#7 message.
func (v vector) message(t *testing.T) []byte {
	t.Helper()
	message, err := base64.StdEncoding.DecodeString(strings.ReplaceAll(v.RSA2048, "\n", ""))
	if err != nil {
		t.Fatal(err)
	}
	return message
}

// tampering changes the real vector. Each function returns a whole payload.
func tampering(t *testing.T, forger *awsiid.Authority) map[string]func(vector) []byte {
	// document changes the document's text alone.
	document := func(old, new string) func(vector) []byte {
		return func(v vector) []byte {
			changed := strings.Replace(v.Document, old, new, 1)
			if changed == v.Document {
				t.Fatalf("the document has no %q", old)
			}
			v.Document = changed
			return v.payload(t)
		}
	}
	// message changes the PKCS#7 message alone.
	message := func(change func([]byte) []byte) func(vector) []byte {
		return func(v vector) []byte {
			v.RSA2048 = awsiid.Base64(change(v.message(t)))
			return v.payload(t)
		}
	}
	// forged signs the document, changed or not, with a key of the forger's.
	forged := func(envelope awsiid.Envelope, replace ...string) func(vector) []byte {
		return func(v vector) []byte {
			v.Document = strings.NewReplacer(replace...).Replace(v.Document)
			signed, err := forger.SignRSA2048([]byte(v.Document), envelope)
			if err != nil {
				t.Fatal(err)
			}
			v.RSA2048 = awsiid.Base64(signed)
			return v.payload(t)
		}
	}
	text := func(change func(string) string) func(vector) []byte {
		return func(v vector) []byte { return []byte(change(string(v.payload(t)))) }
	}
	flip := func(from int) func([]byte) []byte {
		return func(m []byte) []byte {
			if from < 0 {
				from += len(m)
			}
			m[from] ^= 1
			return m
		}
	}
	return map[string]func(vector) []byte{
		"document: another account":         document("278576220453", "278576220454"),
		"document: an account with a slash": document("278576220453", "2785762/0453"),
		"document: another instance":        document("i-078517ca8a70a1dde", "i-078517ca8a70a1ddf"),
		"document: another region":          document("\"us-west-2\"", "\"us-east-1\""),
		"document: a region of no AWS":      document("\"us-west-2\"", "\"xx-west-2\""),
		"document: another zone":            document("us-west-2a", "us-west-2b"),
		"document: another time":            document("2021-09-03", "2026-09-03"),
		"document: another image":           document("ami-0fa9e1f64142cde17", "ami-0fa9e1f64142cde18"),
		"document: one more space":          document("{", "{ "),
		"document: a line at the end":       document("}", "}\n"),
		"document: a key twice":             document("{", "{\n  \"accountId\" : \"111122223333\","),
		"document: a key in another case":   document("accountId", "AccountId"),
		"document: none": func(v vector) []byte {
			v.Document = ""
			return v.payload(t)
		},
		"signature: none": func(v vector) []byte {
			v.RSA2048 = ""
			return v.payload(t)
		},
		"signature: RSA-1024 of noise": func(v vector) []byte {
			v.RSA2048, v.Signature = "", awsiid.Base64(bytes.Repeat([]byte{7}, 128))
			return v.payload(t)
		},
		"signature: RSA-1024 by a forger": func(v vector) []byte {
			signed, err := forger.SignRSA1024([]byte(v.Document))
			if err != nil {
				t.Fatal(err)
			}
			v.RSA2048, v.Signature = "", awsiid.Base64(signed)
			return v.payload(t)
		},
		"message: another signature":      message(flip(-20)),
		"message: another digest":         message(func(m []byte) []byte { return flipAfter(t, m, []byte{0x08, 0x7d, 0x9d, 0x26}) }),
		"message: another content":        message(func(m []byte) []byte { return flipAfter(t, m, []byte("i-078517ca8a70a1dd")) }),
		"message: another version":        message(func(m []byte) []byte { return flipAfter(t, m, []byte{0x30, 0x80, 0x02, 0x01}) }),
		"message: another serial number":  message(func(m []byte) []byte { return flipAfter(t, m, []byte{0xb6, 0x4b, 0xde}) }),
		"message: cut":                    message(func(m []byte) []byte { return m[:len(m)-1] }),
		"message: half":                   message(func(m []byte) []byte { return m[:len(m)/2] }),
		"message: a byte too many":        message(func(m []byte) []byte { return append(m, 0) }),
		"message: twice":                  message(func(m []byte) []byte { return append(m, m...) }),
		"message: deep nesting":           message(func([]byte) []byte { return bytes.Repeat([]byte{0x30, 0x80}, 16<<10) }),
		"message: a length of gigabytes":  message(func([]byte) []byte { return []byte{0x30, 0x84, 0x7f, 0xff, 0xff, 0xff, 0} }),
		"message: a PEM header":           func(v vector) []byte { v.RSA2048 = "-----BEGIN PKCS7-----\n" + v.RSA2048; return v.payload(t) },
		"message: not base64":             func(v vector) []byte { v.RSA2048 = "*" + v.RSA2048[1:]; return v.payload(t) },
		"forged: same document":           forged(awsiid.Envelope{}),
		"forged: another account":         forged(awsiid.Envelope{}, "278576220453", "111122223333"),
		"forged: with its certificate":    forged(awsiid.Envelope{Certificates: [][]byte{forger.RSA2048.Raw}}),
		"forged: by a region's authority": forged(awsiid.Envelope{}, "us-west-2a", region+"a", "us-west-2", region),
		"forged: detached":                forged(awsiid.Envelope{Detached: true}),
		"forged: no signer":               forged(awsiid.Envelope{NoSigner: true}),
		"forged: no attributes":           forged(awsiid.Envelope{NoAttributes: true}),
		"payload: empty object":           text(func(string) string { return "{}" }),
		"payload: a list":                 text(func(s string) string { return "[" + s + "]" }),
		"payload: not JSON":               text(func(string) string { return "\x00\xff" }),
		"payload: cut":                    text(func(s string) string { return s[:len(s)-1] }),
		"payload: more after it":          text(func(s string) string { return s + "{}" }),
		"payload: a key twice":            text(func(s string) string { return strings.Replace(s, "{", `{"document":"",`, 1) }),
		"payload: a key in another case":  text(func(s string) string { return strings.Replace(s, "{", `{"Document":"",`, 1) }),
		"payload: an unknown key":         text(func(s string) string { return strings.Replace(s, "{", `{"region":"us-west-2",`, 1) }),
		"payload: null for a signature":   text(func(s string) string { return strings.Replace(s, `"signature":""`, `"signature":null`, 1) }),
		"payload: a number for a text":    text(func(s string) string { return strings.Replace(s, `"signature":""`, `"signature":1`, 1) }),
		"payload: a megabyte":             text(func(s string) string { return s + strings.Repeat(" ", 1<<20) }),
	}
}

// flipAfter changes the byte that follows the first place of a pattern.
func flipAfter(t *testing.T, message, pattern []byte) []byte {
	at := bytes.Index(message, pattern)
	if at < 0 {
		t.Fatalf("the message has no %x", pattern)
	}
	message[at+len(pattern)] ^= 1
	return message
}

func TestTamperedVectorsRefused(t *testing.T) {
	t.Parallel()
	s := startReal(t)
	forger, err := awsiid.New(realRegion)
	if err != nil {
		t.Fatal(err)
	}
	client, err := s.server.NewClient()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	plugin := pluginPID(t, s.server.PID())
	var real vector
	if err := json.Unmarshal(realVector(t), &real); err != nil {
		t.Fatal(err)
	}

	variants := tampering(t, forger)
	if len(variants) < 20 {
		t.Fatalf("only %d variants", len(variants))
	}
	for name, tamper := range variants {
		t.Run(name, func(t *testing.T) {
			before := s.server.Log.Len()
			svid, err := client.Attest(t.Context(), "aws_iid", tamper(real))
			if err == nil {
				t.Fatalf("accepted as %s", svid.ID)
			}
			if status.Code(err) != codes.InvalidArgument {
				t.Errorf("got %v, want InvalidArgument", err)
			}
			entry := s.refusal(t, status.Convert(err).Message())
			if entry.Field("outcome") != "bad_evidence" || entry.Field("reason") == "" {
				t.Errorf("the server's log says %v", entry.Fields)
			}
			for _, other := range s.server.Log.Entries(before) {
				if other.Field("plugin_name") == "aws_iid" && other.Field("decision_id") != entry.Field("decision_id") {
					t.Errorf("more than one line in the log: %v", other.Fields)
				}
			}
		})
	}

	if calls := s.API.Calls(); len(calls) != 0 {
		t.Errorf("the variants cost AWS calls: %+v", calls)
	}
	if agents := s.agents(t); len(agents) != 0 {
		t.Errorf("agents after the variants: %+v", agents)
	}
	if _, err := client.Attest(t.Context(), "aws_iid", realVector(t)); err != nil {
		t.Errorf("the real vector after all variants: %v", err)
	}
	t.Run("the process is still the same", func(t *testing.T) {
		if plugin == 0 {
			t.Skip("no /proc to find the plugin's process in")
		}
		if now := pluginPID(t, s.server.PID()); now != plugin {
			t.Errorf("the plugin was process %d and is %d now", plugin, now)
		}
	})
}

// pluginPID finds the one process that the server started. It is 0 where there
// is no /proc to find it in.
func pluginPID(t *testing.T, server int) int {
	t.Helper()
	lists, err := filepath.Glob("/proc/" + strconv.Itoa(server) + "/task/*/children")
	if err != nil {
		t.Fatal(err)
	}
	if len(lists) == 0 {
		return 0
	}
	var children []string
	for _, list := range lists {
		text, err := os.ReadFile(list)
		if err != nil {
			continue // that thread has ended meanwhile
		}
		children = append(children, strings.Fields(string(text))...)
	}
	if len(children) != 1 {
		t.Fatalf("the server has child processes %v, want the plugin alone", children)
	}
	pid, err := strconv.Atoi(children[0])
	if err != nil {
		t.Fatal(err)
	}
	return pid
}
