package awsiid_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"testing"

	"github.com/spire-gatehouse/gatehouse/internal/testauthority/awsiid"
)

// The authority makes, byte for byte, what AWS made for the same document: all
// but the key's own signature is equal.
func TestSameBytesAsAWS(t *testing.T) {
	root := filepath.Join("..", "..", "..")
	data, err := os.ReadFile(filepath.Join(root, "testdata", "evidence", "aws-iid-us-west-2-rsa2048.json"))
	if err != nil {
		t.Fatal(err)
	}
	var real struct{ Document, RSA2048 string }
	if err := json.Unmarshal(data, &real); err != nil {
		t.Fatal(err)
	}
	want, err := base64.StdEncoding.DecodeString(real.RSA2048)
	if err != nil {
		t.Fatal(err)
	}

	document := awsiid.Document{
		AccountID: "278576220453", Architecture: "x86_64", AvailabilityZone: "us-west-2a", ImageID: "ami-0fa9e1f64142cde17",
		InstanceID: "i-078517ca8a70a1dde", InstanceType: "t2.medium", PendingTime: "2021-09-03T21:25:44Z", PrivateIP: "10.0.0.209",
		Region: "us-west-2", Version: "2017-09-30",
	}
	if got := document.JSON(); string(got) != real.Document {
		t.Errorf("document\n%s\nwant\n%s", got, real.Document)
	}
	authority, err := awsiid.New("us-west-2")
	if err != nil {
		t.Fatal(err)
	}
	serial, _ := new(big.Int).SetString("B64BDE5AD00924CC", 16)
	got, err := authority.SignRSA2048(document.JSON(), awsiid.Envelope{Serial: serial})
	if err != nil {
		t.Fatal(err)
	}
	const signature, end = 256, 6 // its bytes, and those after it
	blank := func(message []byte) []byte {
		message = bytes.Clone(message)
		clear(message[len(message)-end-signature : len(message)-end])
		return message
	}
	if !bytes.Equal(blank(got), blank(want)) {
		t.Errorf("message\n%x\nwant\n%x", blank(got), blank(want))
	}
	if got := awsiid.Base64(want); got != real.RSA2048 {
		t.Errorf("base64\n%s\nwant\n%s", got, real.RSA2048)
	}
}

func TestWriteCertificates(t *testing.T) {
	authority, err := awsiid.New("xx-test-1")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := authority.WriteCertificates(dir); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(filepath.Join(dir, "xx-test-1.pem"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range [][]byte{authority.RSA2048.Raw, authority.RSA1024.Raw} {
		block, rest := pem.Decode(data)
		if block == nil || !bytes.Equal(block.Bytes, want) {
			t.Fatal("a certificate is not the authority's")
		}
		data = rest
	}
	if len(data) > 0 {
		t.Errorf("more in the file: %q", data)
	}
}
