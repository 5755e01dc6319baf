package awsiid_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/asn1"
	"encoding/hex"
	"maps"
	"math/big"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/spire-gatehouse/gatehouse/evidence/awsiid"
	authority "github.com/spire-gatehouse/gatehouse/internal/testauthority/awsiid"
)

func hexSHA256(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

func TestVerifyAccepts(t *testing.T) {
	ours, other := authorities(t)
	collector := trusting(t, nil, ours, other)

	document := authority.NewDocument(testRegion)
	document.BillingProducts = []string{"bp-6ba54002"}
	document.KernelID = "aki-1"
	claims := awsiid.Claims{
		AccountID:         "123456789012",
		Region:            "us-east-1",
		Partition:         "aws",
		AvailabilityZone:  "us-east-1b",
		InstanceID:        "i-0b22a22eec53b9321",
		InstanceType:      "t3.micro",
		ImageID:           "ami-5fb8c835",
		Architecture:      "x86_64",
		Version:           "2017-09-30",
		PrivateIP:         "10.158.112.84",
		PendingTime:       time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
		KernelID:          "aki-1",
		BillingProducts:   []string{"bp-6ba54002"},
		SignatureKind:     awsiid.RSA2048,
		CertificateSHA256: hexSHA256(ours.RSA2048.Raw),
		DocumentSHA256:    hexSHA256(document.JSON()),
	}
	weak := claims
	weak.SignatureKind = awsiid.RSA1024
	weak.CertificateSHA256 = hexSHA256(ours.RSA1024.Raw)

	signature := mustSign(t, func() ([]byte, error) { return ours.SignRSA1024(document.JSON()) })
	sealed := func(e authority.Envelope) []byte {
		return mustSign(t, func() ([]byte, error) { return ours.SignRSA2048(document.JSON(), e) })
	}
	for name, tc := range map[string]struct {
		payload []byte
		want    awsiid.Claims
	}{
		"both signatures":       {authority.Payload(document.JSON(), signature, sealed(authority.Envelope{})), claims},
		"RSA-2048 alone":        {authority.Payload(document.JSON(), nil, sealed(authority.Envelope{})), claims},
		"RSA-1024 alone":        {authority.Payload(document.JSON(), signature, nil), weak},
		"bad RSA-1024 unused":   {authority.Payload(document.JSON(), []byte("x"), sealed(authority.Envelope{})), claims},
		"plain RSA algorithm":   {authority.Payload(document.JSON(), nil, sealed(authority.Envelope{SignatureAlgorithm: asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 1}})), claims},
		"content in pieces":     {authority.Payload(document.JSON(), nil, sealed(authority.Envelope{Pieces: 7})), claims},
		"DER":                   {authority.Payload(document.JSON(), nil, sealed(authority.Envelope{Definite: true})), claims},
		"no signing time":       {authority.Payload(document.JSON(), nil, sealed(authority.Envelope{NoSigningTime: true})), claims},
		"the region's own cert": {authority.Payload(document.JSON(), nil, sealed(authority.Envelope{Certificates: [][]byte{ours.RSA2048.Raw}})), claims},
		"another attribute":     {authority.Payload(document.JSON(), nil, sealed(authority.Envelope{Attribute: authority.Attribute(asn1.ObjectIdentifier{1, 2, 3}, 1)})), claims},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := collector.Verify(context.Background(), tc.payload)
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(got.Claims(), tc.want) {
				t.Errorf("got  %+v\nwant %+v", got.Claims(), tc.want)
			}
			if got, want := got.Identity(), "aws/123456789012/i-0b22a22eec53b9321"; got != want {
				t.Errorf("identity %s, want %s", got, want)
			}
		})
	}
}

// Each case is a good document, signed by the right key, with one change.
func TestVerifyDocuments(t *testing.T) {
	ours, _ := authorities(t)
	collector := trusting(t, nil, ours)
	for name, tc := range map[string]struct {
		change func(*authority.Document)
		want   string // empty: accepted
	}{
		"old instance ID":        {func(d *authority.Document) { d.InstanceID = "i-0b22a22e" }, ""},
		"local zone":             {func(d *authority.Document) { d.AvailabilityZone = "us-east-1-bos-1a" }, ""},
		"Wavelength zone":        {func(d *authority.Document) { d.AvailabilityZone = "us-east-1-wl1-bos-wlz-1" }, ""},
		"IPv6 address":           {func(d *authority.Document) { d.PrivateIP = "2001:db8::1" }, ""},
		"no address":             {func(d *authority.Document) { d.PrivateIP = "" }, ""},
		"no image":               {func(d *authority.Document) { d.ImageID = "" }, ""},
		"old":                    {func(d *authority.Document) { d.PendingTime = "2009-09-09T09:09:09Z" }, ""},
		"our clock behind":       {func(d *authority.Document) { d.PendingTime = "2026-01-02T03:15:00Z" }, ""},
		"in the future":          {func(d *authority.Document) { d.PendingTime = "2026-01-02T03:15:01Z" }, `document: pendingTime 2026-01-02T03:15:01Z is in the future: it is 2026-01-02T03:10:00Z here`},
		"no pending time":        {func(d *authority.Document) { d.PendingTime = "" }, `document: pendingTime "" is not an RFC 3339 time`},
		"pending time a date":    {func(d *authority.Document) { d.PendingTime = "2026-01-02" }, `document: pendingTime "2026-01-02" is not an RFC 3339 time`},
		"no account":             {func(d *authority.Document) { d.AccountID = "" }, `document: accountId "" is not 12 digits`},
		"account with a slash":   {func(d *authority.Document) { d.AccountID = "12345678901/" }, `document: accountId "12345678901/" is not 12 digits`},
		"account of 13 digits":   {func(d *authority.Document) { d.AccountID = "1234567890123" }, `document: accountId "1234567890123" is not 12 digits`},
		"account, other digits":  {func(d *authority.Document) { d.AccountID = "１２３４５６７８９０１２" }, `document: accountId "１２３４５６７８９０１２" is not 12 digits`},
		"account and a line end": {func(d *authority.Document) { d.AccountID = "123456789012\n" }, `document: accountId has a control character`},
		"no instance":            {func(d *authority.Document) { d.InstanceID = "" }, `document: instanceId "" is not i- and 8 or 17 hexadecimal digits`},
		"instance in capitals":   {func(d *authority.Document) { d.InstanceID = "i-0B22A22EEC53B9321" }, `document: instanceId "i-0B22A22EEC53B9321" is not`},
		"instance, 16 digits":    {func(d *authority.Document) { d.InstanceID = "i-0b22a22eec53b932" }, `document: instanceId "i-0b22a22eec53b932" is not`},
		"instance a path":        {func(d *authority.Document) { d.InstanceID = "i-0b22a22e/../x" }, `document: instanceId "i-0b22a22e/../x" is not`},
		"no region":              {func(d *authority.Document) { d.Region = "" }, `document: region "" is not an AWS region`},
		"region a host":          {func(d *authority.Document) { d.Region = "us-east-1.evil.example" }, `document: region "us-east-1.evil.example" is not an AWS region`},
		"region in capitals":     {func(d *authority.Document) { d.Region = "US-EAST-1" }, `document: region "US-EAST-1" is not an AWS region`},
		"unknown region":         {func(d *authority.Document) { d.Region, d.AvailabilityZone = "us-east-9", "us-east-9a" }, `rsa2048: no certificate of region us-east-9 is known`},
		"zone of another region": {func(d *authority.Document) { d.AvailabilityZone = "us-east-2a" }, `document: availabilityZone "us-east-2a" is not one of region us-east-1`},
		"zone a longer region":   {func(d *authority.Document) { d.AvailabilityZone = "us-east-11a" }, `document: availabilityZone "us-east-11a" is not one of`},
		"zone the region":        {func(d *authority.Document) { d.AvailabilityZone = "us-east-1" }, `document: availabilityZone "us-east-1" is not one of`},
		"no zone":                {func(d *authority.Document) { d.AvailabilityZone = "" }, `document: availabilityZone "" is not one of`},
		"zone and a line end":    {func(d *authority.Document) { d.AvailabilityZone = "us-east-1a\n" }, `document: availabilityZone has a control character`},
		"address a name":         {func(d *authority.Document) { d.PrivateIP = "localhost" }, `document: privateIp "localhost" is not an IP address`},
		"address with a zone":    {func(d *authority.Document) { d.PrivateIP = "fe80::1%eth0" }, `document: privateIp "fe80::1%eth0" is not an IP address`},
		"control character":      {func(d *authority.Document) { d.ImageID = "ami-1\u0085" }, `document: imageId has a control character`},
		"long string":            {func(d *authority.Document) { d.Version = strings.Repeat("v", 257) }, `document: version has 257 bytes, more than 256`},
		"long list":              {func(d *authority.Document) { d.BillingProducts = make([]string, 65) }, `document: billingProducts has 65 entries, more than 64`},
		"list with a NUL":        {func(d *authority.Document) { d.BillingProducts = []string{"a", "\x00"} }, `document: billingProducts has a control character`},
		"large": {func(d *authority.Document) {
			d.BillingProducts = make([]string, 40)
			for i := range d.BillingProducts {
				d.BillingProducts[i] = strings.Repeat("b", 250)
			}
		}, "payload: document of 10"},
	} {
		t.Run(name, func(t *testing.T) {
			document := authority.NewDocument(testRegion)
			tc.change(&document)
			payload := mustSign(t, func() ([]byte, error) { return ours.Payload(document.JSON()) })
			if tc.want != "" {
				refused(t, collector, payload, tc.want)
				return
			}
			if _, err := collector.Verify(context.Background(), payload); err != nil {
				t.Error(err)
			}
		})
	}
}

// What AWS may add one day is let through; what gives a second reading isn't.
func TestVerifySignedOddJSON(t *testing.T) {
	ours, _ := authorities(t)
	collector := trusting(t, nil, ours)
	good := string(authority.NewDocument(testRegion).JSON())
	for name, tc := range map[string]struct{ document, want string }{
		"new field":          {strings.Replace(good, "{", `{"cpu":{"cores":[1,2]},`, 1), ""},
		"key twice":          {strings.Replace(good, "{", `{"accountId":"000000000000",`, 1), `document: key "accountId" appears twice`},
		"case variant":       {strings.Replace(good, "{", `{"accountID":"000000000000",`, 1), `document: key "accountID" must be written "accountId"`},
		"account a number":   {strings.Replace(good, `"123456789012"`, `123456789012`, 1), `document: json: cannot unmarshal number`},
		"account null":       {strings.Replace(good, `"123456789012"`, `null`, 1), `document: accountId "" is not 12 digits`},
		"nested":             {strings.Replace(good, "{", `{"x":[[[[1]]]],`, 1), `document: nested deeper than 4 levels`},
		"not JSON":           {`accountId: 1`, `document: invalid character 'a'`},
		"a list":             {"[" + good + "]", `document: not a JSON object`},
		"two":                {good + good, `document: invalid character '{' after top-level value`},
		"half a character":   {strings.Replace(good, "t3.micro", `\ud800`, 1), `document: half a character`},
		"account by escapes": {strings.Replace(good, `"1234`, `"\u00312\u002f4`, 1), `document: accountId "12/456789012" is not 12 digits`},
	} {
		t.Run(name, func(t *testing.T) {
			payload := mustSign(t, func() ([]byte, error) { return ours.Payload([]byte(tc.document)) })
			if tc.want != "" {
				refused(t, collector, payload, tc.want)
				return
			}
			if _, err := collector.Verify(context.Background(), payload); err != nil {
				t.Error(err)
			}
		})
	}
}

// Each case is an envelope that AWS never makes, around a genuine document.
func TestVerifyRefusesEnvelopes(t *testing.T) {
	ours, other := authorities(t)
	collector := trusting(t, nil, ours, other)
	document := authority.NewDocument(testRegion).JSON()
	sha1, enveloped := asn1.ObjectIdentifier{1, 3, 14, 3, 2, 26}, asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 3}
	contentType, messageDigest := asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 3}, asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 4}

	for name, tc := range map[string]struct {
		envelope authority.Envelope
		want     string
	}{
		"trailing bytes":            {authority.Envelope{Trailing: []byte{0, 0}}, "BER: 2 bytes after its end"},
		"trailing, DER":             {authority.Envelope{Definite: true, Trailing: []byte{5, 0}}, "BER: 2 bytes after its end"},
		"detached":                  {authority.Envelope{Detached: true}, "signed data: no content"},
		"empty content":             {authority.Envelope{Empty: true}, "signed data: empty content"},
		"content of another type":   {authority.Envelope{ContentType: enveloped}, "signed data: content that is not of type data"},
		"version 3":                 {authority.Envelope{Version: 3}, "signed data: not version 1"},
		"SHA-1 named":               {authority.Envelope{DigestAlgorithm: sha1}, "signed data: digest algorithms other than SHA-256 alone"},
		"two digests named":         {authority.Envelope{ExtraDigestAlgorithm: true}, "signed data: digest algorithms other than SHA-256 alone"},
		"a foreign certificate":     {authority.Envelope{Certificates: [][]byte{other.RSA2048.Raw}}, "a certificate in the message that is not the region's"},
		"two certificates":          {authority.Envelope{Certificates: [][]byte{ours.RSA2048.Raw, other.RSA2048.Raw}}, "a certificate in the message that is not the region's"},
		"the other kind's cert":     {authority.Envelope{Certificates: [][]byte{ours.RSA1024.Raw}}, "a certificate in the message that is not the region's"},
		"junk for a certificate":    {authority.Envelope{Certificates: [][]byte{{5, 0}}}, "signed data: malformed certificates"},
		"a revocation list":         {authority.Envelope{RevocationList: true}, "signed data: revocation lists"},
		"no signer":                 {authority.Envelope{NoSigner: true}, "signed data: no signer"},
		"a second signer":           {authority.Envelope{ExtraSigner: other}, "signed data: more than one signer"},
		"the same signer twice":     {authority.Envelope{ExtraSigner: ours}, "signed data: more than one signer"},
		"another signer alone":      {authority.Envelope{NoSigner: true, ExtraSigner: other}, "signer with serial number"},
		"another serial number":     {authority.Envelope{Serial: big.NewInt(1)}, "signer with serial number 1 is not one"},
		"another issuer":            {authority.Envelope{Issuer: mustDER(t, []int{})}, "signer with serial number"},
		"signer of version 3":       {authority.Envelope{SignerVersion: 3}, "signer: not version 1"},
		"signer with SHA-1":         {authority.Envelope{SignerDigest: sha1}, "signer: a digest algorithm other than SHA-256"},
		"signer with PSS":           {authority.Envelope{SignatureAlgorithm: asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 10}}, "signer: a signature algorithm other than RSA"},
		"signer with SHA512RSA":     {authority.Envelope{SignatureAlgorithm: asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 13}}, "signer: a signature algorithm other than RSA"},
		"no signed attributes":      {authority.Envelope{NoAttributes: true}, "signer: no signed attributes"},
		"no contentType":            {authority.Envelope{NoContentType: true}, "signer: no signed attribute contentType"},
		"contentType not data":      {authority.Envelope{AttributeType: enveloped}, "signer: signed attribute contentType is not data"},
		"contentType twice":         {authority.Envelope{Attribute: authority.Attribute(contentType, contentType)}, "signer: signed attribute 1.2.840.113549.1.9.3 twice"},
		"no messageDigest":          {authority.Envelope{NoMessageDigest: true}, "signer: no signed attribute messageDigest"},
		"messageDigest twice":       {authority.Envelope{Attribute: authority.Attribute(messageDigest, make([]byte, 32))}, "signer: signed attribute 1.2.840.113549.1.9.4 twice"},
		"messageDigest of two":      {authority.Envelope{TwoMessageDigests: true}, "signer: signed attribute messageDigest is not one SHA-256 digest"},
		"messageDigest of SHA-1":    {authority.Envelope{NoMessageDigest: true, Attribute: authority.Attribute(messageDigest, make([]byte, 20))}, "signer: signed attribute messageDigest is not one SHA-256 digest"},
		"messageDigest wrong":       {authority.Envelope{NoMessageDigest: true, Attribute: authority.Attribute(messageDigest, make([]byte, 32))}, "pkcs7: Message digest mismatch"},
		"unsigned attributes":       {authority.Envelope{UnsignedAttributes: true}, "signer: unsigned attributes"},
		"more in the signer":        {authority.Envelope{ExtraElement: true}, "signer: more than a signer has"},
		"signed before its time":    {authority.Envelope{SigningTime: time.Date(2014, 1, 1, 0, 0, 0, 0, time.UTC)}, "pkcs7: signing time"},
		"signed long after":         {authority.Envelope{SigningTime: time.Date(2200, 1, 1, 0, 0, 0, 0, time.UTC)}, "pkcs7: signing time"},
		"over 12 KiB with trailing": {authority.Envelope{Trailing: make([]byte, 12<<10)}, "BER of"},
	} {
		t.Run(name, func(t *testing.T) {
			envelope := mustSign(t, func() ([]byte, error) { return ours.SignRSA2048(document, tc.envelope) })
			refused(t, collector, authority.Payload(document, nil, envelope), "rsa2048: "+tc.want)
		})
	}
}

// The known attacks on this attestor: a genuine signature for something else.
func TestVerifyRefusesAttacks(t *testing.T) {
	ours, other := authorities(t)
	collector := trusting(t, nil, ours, other)

	mine := authority.NewDocument(testRegion)
	theirs := mine
	theirs.AccountID = "999999999999"
	elsewhere := authority.NewDocument("eu-south-1")
	sign := func(a *authority.Authority, document []byte) (signature, envelope []byte) {
		return mustSign(t, func() ([]byte, error) { return a.SignRSA1024(document) }),
			mustSign(t, func() ([]byte, error) { return a.SignRSA2048(document, authority.Envelope{}) })
	}
	mineRSA1024, mineRSA2048 := sign(ours, mine.JSON())
	elsewhereRSA1024, elsewhereRSA2048 := sign(ours, elsewhere.JSON())

	for name, tc := range map[string]struct {
		payload []byte
		want    string
	}{
		"content substituted":               {authority.Payload(theirs.JSON(), nil, mineRSA2048), "rsa2048: what is signed is not the document"},
		"content substituted, RSA-1024":     {authority.Payload(theirs.JSON(), mineRSA1024, nil), "rsa1024: crypto/rsa: verification error"},
		"no way round a bad RSA-2048":       {authority.Payload(mine.JSON(), mineRSA1024, []byte{0x30, 0}), "rsa2048: not signed data"},
		"no way round a blank RSA-2048":     {[]byte(`{"document":` + quoteJSON(t, string(mine.JSON())) + `,"signature":"` + authority.Base64(mineRSA1024)[:76] + `","rsa2048":" "}`), "rsa2048: not base64"},
		"another region's key":              {authority.Payload(elsewhere.JSON(), nil, elsewhereRSA2048), "rsa2048: signer with serial number"},
		"another region's key, RSA-1024":    {authority.Payload(elsewhere.JSON(), elsewhereRSA1024, nil), "rsa1024: crypto/rsa: verification error"},
		"the signatures swapped":            {authority.Payload(mine.JSON(), mineRSA2048, mineRSA1024), "payload: signature of "},
		"RSA-1024 signature with a byte":    {authority.Payload(mine.JSON(), append(mineRSA1024[:128:128], 0), nil), "rsa1024: crypto/rsa: verification error"},
		"RSA-1024 signature of 2 KB":        {authority.Payload(mine.JSON(), make([]byte, 2048), nil), "payload: signature of "},
		"no document, but null":             {[]byte(`{"document":null,"signature":"x"}`), "payload: document is null, which an agent never sends"},
		"no signature, but null":            {nulled(t, authority.Payload(mine.JSON(), nil, mineRSA2048), "signature"), "payload: signature is null, which an agent never sends"},
		"no RSA-2048, but null":             {nulled(t, authority.Payload(mine.JSON(), mineRSA1024, nil), "rsa2048"), "payload: rsa2048 is null, which an agent never sends"},
		"escaped look-alike of the payload": {[]byte(`{"document":"{}","\u0064ocument":"{}"}`), `payload: key "document" appears twice`},
	} {
		t.Run(name, func(t *testing.T) { refused(t, collector, tc.payload, tc.want) })
	}
}

// nulled puts null for an empty text.
func nulled(t *testing.T, payload []byte, key string) []byte {
	t.Helper()
	changed := bytes.Replace(payload, []byte(`"`+key+`":""`), []byte(`"`+key+`": null `), 1)
	if bytes.Equal(changed, payload) {
		t.Fatalf("no empty %s in %s", key, payload)
	}
	return changed
}

// The certificates that Gatehouse embeds don't let the test authority in.
func TestVerifyTrustsOnlyItsCertificates(t *testing.T) {
	ours, _ := authorities(t)
	payload := mustSign(t, func() ([]byte, error) { return ours.Payload(authority.NewDocument(testRegion).JSON()) })
	refused(t, embedded(t), payload, "rsa2048: signer with serial number")
}

func TestPartitions(t *testing.T) {
	regions := map[string]string{
		"ap-southeast-7": "aws", "mx-central-1": "aws", "cn-north-1": "aws-cn", "us-gov-west-1": "aws-us-gov", "us-iso-east-1": "aws-iso",
		"us-isob-east-1": "aws-iso-b", "eu-isoe-west-1": "aws-iso-e", "us-isof-south-1": "aws-iso-f", "eusc-de-east-1": "aws-eusc",
	}
	for _, partition := range awsiid.Partitions() {
		if !slices.Contains(slices.Collect(maps.Values(regions)), partition) {
			t.Errorf("no region of partition %s is tried", partition)
		}
	}
	for region, partition := range regions {
		if !slices.Contains(awsiid.Partitions(), partition) {
			t.Errorf("partition %s is not listed", partition)
		}
		t.Run(region, func(t *testing.T) {
			ours, _ := authorities(t)
			elsewhere := *ours
			elsewhere.Region = region
			collector := trusting(t, nil, &elsewhere)
			payload := mustSign(t, func() ([]byte, error) { return elsewhere.Payload(authority.NewDocument(region).JSON()) })
			got, err := collector.Verify(context.Background(), payload)
			if err != nil {
				t.Fatal(err)
			}
			if got := got.Claims().(awsiid.Claims).Partition; got != partition {
				t.Errorf("partition %s, want %s", got, partition)
			}
		})
	}
}
