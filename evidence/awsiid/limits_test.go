package awsiid

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	authority "github.com/spire-gatehouse/gatehouse/internal/testauthority/awsiid"
)

// limitTest tries a bound on both sides: n is the bound, and then one more.
type limitTest struct {
	limit  int
	try    func(n int) error
	beyond string // what the error says
}

func (tc limitTest) run(t *testing.T) {
	t.Helper()
	if err := tc.try(tc.limit); err != nil {
		t.Errorf("at %d: %v", tc.limit, err)
	}
	if err := tc.try(tc.limit + 1); err == nil || !strings.Contains(err.Error(), tc.beyond) {
		t.Errorf("at %d: got %v, want one about %q", tc.limit+1, err, tc.beyond)
	}
}

func TestAWSLimits(t *testing.T) {
	now := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	document := func(change func(*authority.Document)) error {
		d := authority.NewDocument("us-west-2")
		change(&d)
		_, err := parseDocument(string(d.JSON()), now)
		return err
	}
	sent := func(document, signature, message, space int) error {
		text := fmt.Sprintf(`{"document":%q,"signature":%q,"rsa2048":%q}`, strings.Repeat("d", document), strings.Repeat("s", signature), strings.Repeat("m", message))
		_, err := parsePayload([]byte(text + strings.Repeat(" ", max(0, space-len(text)))))
		return err
	}
	ber := func(data []byte) error {
		_, err := toDER(data)
		return err
	}
	certificate, err := embedded.ReadFile("certificates/rsa2048/us-west-2.pem")
	if err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]limitTest{
		"payload":           {maxPayload, func(n int) error { return sent(1, 1, 1, n) }, "payload of 65537 bytes is over 65536"},
		"document":          {maxDocument, func(n int) error { return sent(n, 1, 1, 0) }, "document of 8193 bytes is over 8192"},
		"signature":         {maxSignatureText, func(n int) error { return sent(1, n, 1, 0) }, "signature of 1025 bytes is over 1024"},
		"message in base64": {maxEnvelopeText, func(n int) error { return sent(1, 1, n, 0) }, "rsa2048 of 18433 bytes is over 18432"},
		"message": {maxEnvelope, func(n int) error {
			return ber(append([]byte{0x04, 0x82, byte((n - 4) >> 8), byte(n - 4)}, make([]byte, n-4)...))
		}, "BER of 12289 bytes is over 12288"},
		"depth of the message": {maxBERDepth, func(n int) error {
			return ber(append(bytes.Repeat([]byte{0x30, 0x80}, n), bytes.Repeat([]byte{0, 0}, n)...))
		}, "nested deeper than 16 levels"},
		"elements of the message": {maxBERElements, func(n int) error { // one of them is around the others
			return ber(append(append([]byte{0x30, 0x80}, bytes.Repeat([]byte{0x05, 0}, n-1)...), 0, 0))
		}, "more than 512 elements"},
		"depth of the document": {maxDocumentDepth, func(n int) error {
			text := string(authority.NewDocument("us-west-2").JSON())
			_, err := parseDocument(strings.Replace(text, "{", `{"x":`+strings.Repeat("[", n-1)+strings.Repeat("]", n-1)+",", 1), now)
			return err
		}, "nested deeper than 4 levels"},
		"a text": {maxField, func(n int) error {
			return document(func(d *authority.Document) { d.Version = strings.Repeat("v", n) })
		}, "version has 257 bytes, more than 256"},
		"a list": {maxFieldItems, func(n int) error {
			return document(func(d *authority.Document) { d.BillingProducts = make([]string, n) })
		}, "billingProducts has 65 entries, more than 64"},
		"the future, in seconds": {int(maxFuture / time.Second), func(n int) error {
			at := now.Add(time.Duration(n) * time.Second)
			return document(func(d *authority.Document) { d.PendingTime = at.Format(time.RFC3339) })
		}, "is in the future"},
		"certificates of a file": {maxCertificatesPerFile, func(n int) error {
			_, err := parseCertificates(bytes.Repeat(certificate, n))
			return err
		}, "more than 8 certificates"},
		"pages": {maxPages, func(n int) error {
			page := 0
			return eachPage(func(*string) (*string, error) {
				if page++; page == n {
					return nil, nil
				}
				return aws.String(fmt.Sprint(page)), nil
			})
		}, "more than 5000 pages"},
	} {
		t.Run(name, func(t *testing.T) { tc.run(t) })
	}
}

func TestAWSAnswerLimits(t *testing.T) {
	convert := func(change func(*types.Instance)) error {
		in := types.Instance{InstanceId: aws.String("i-0b22a22eec53b9321"), State: &types.InstanceState{Name: types.InstanceStateNameRunning},
			NetworkInterfaces: []types.InstanceNetworkInterface{{NetworkInterfaceId: aws.String("eni-1")}}}
		change(&in)
		_, err := convertInstance(in, aws.String("123456789012"))
		return err
	}
	for name, tc := range map[string]limitTest{
		"tags": {maxTags, func(n int) error {
			return convert(func(i *types.Instance) {
				for tag := range n {
					i.Tags = append(i.Tags, types.Tag{Key: aws.String(fmt.Sprint(tag)), Value: aws.String("v")})
				}
			})
		}, "201 tags, more than 200"},
		"security groups": {maxSecurityGroups, func(n int) error {
			return convert(func(i *types.Instance) { i.SecurityGroups = make([]types.GroupIdentifier, n) })
		}, "257 security groups, more than 256"},
		"interfaces": {maxNetworkInterfaces, func(n int) error {
			return convert(func(i *types.Instance) { i.NetworkInterfaces = make([]types.InstanceNetworkInterface, n) })
		}, "257 network interfaces, more than 256"},
		"addresses": {maxAddresses, func(n int) error {
			return convert(func(i *types.Instance) {
				i.NetworkInterfaces[0].PrivateIpAddresses = make([]types.InstancePrivateIpAddress, n)
			})
		}, "1025 private addresses of an interface, more than 1024"},
		"IPv6 addresses": {maxAddresses, func(n int) error {
			return convert(func(i *types.Instance) { i.NetworkInterfaces[0].Ipv6Addresses = make([]types.InstanceIpv6Address, n) })
		}, "1025 IPv6 addresses of an interface, more than 1024"},
		"volumes": {maxBlockDevices, func(n int) error {
			return convert(func(i *types.Instance) { i.BlockDeviceMappings = make([]types.InstanceBlockDeviceMapping, n) })
		}, "257 block devices, more than 256"},
		"a text": {maxFactString, func(n int) error {
			return convert(func(i *types.Instance) { i.KeyName = aws.String(strings.Repeat("k", n)) })
		}, "1025 bytes in one field, more than 1024"},
	} {
		t.Run(name, func(t *testing.T) { tc.run(t) })
	}
}
