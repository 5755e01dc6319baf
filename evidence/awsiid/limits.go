package awsiid

import "time"

// Bounds on what comes from outside. A genuine document has about 500 bytes, its
// PKCS#7 envelope about 1,100, and a payload about 2,500.
const (
	maxPayload       = 64 << 10
	maxDocument      = 8 << 10
	maxDocumentDepth = 4
	maxEnvelope      = 12 << 10
	maxEnvelopeText  = 18 << 10 // maxEnvelope in base64, with room for line ends
	maxSignatureText = 1 << 10

	// AWS's envelope nests 11 levels deep and has 85 elements; a certificate in
	// it would add some 70 elements and no level.
	maxBERDepth    = 16
	maxBERElements = 512

	maxField      = 256 // bytes of one string in a document
	maxFieldItems = 64  // entries of one list in a document

	// maxFuture is how far ahead of this server's clock AWS's may be.
	maxFuture = 5 * time.Minute
)

// Bounds on an operator's directory of certificates.
const (
	maxCertificateFiles    = 256
	maxCertificateFile     = 64 << 10
	maxCertificatesPerFile = 8
	maxKeyBits             = 8192
)

// Bounds on what EC2 answers about one instance, well above EC2's own quotas.
// An answer beyond them is an error, as part of a list would mislead policy.
const (
	maxTags              = 200
	maxSecurityGroups    = 256
	maxNetworkInterfaces = 256
	maxAddresses         = 1024 // of one kind on one interface
	maxBlockDevices      = 256
	maxFactString        = 1024
)

// maxClients bounds how many clients SDKClients keeps.
const maxClients = 1024
