package awsiid

import "time"

// Claims are what AWS signed, and how it was verified: input.evidence. What the
// document has as null or not at all is left out.
type Claims struct {
	AccountID               string    `json:"account_id"`
	Region                  string    `json:"region"`
	Partition               string    `json:"partition"`
	AvailabilityZone        string    `json:"availability_zone"`
	InstanceID              string    `json:"instance_id"`
	InstanceType            string    `json:"instance_type,omitempty"`
	ImageID                 string    `json:"image_id,omitempty"`
	Architecture            string    `json:"architecture,omitempty"`
	Version                 string    `json:"version,omitempty"`
	PrivateIP               string    `json:"private_ip,omitempty"`
	PendingTime             time.Time `json:"pending_time"`
	KernelID                string    `json:"kernel_id,omitempty"`
	RamdiskID               string    `json:"ramdisk_id,omitempty"`
	BillingProducts         []string  `json:"billing_products,omitempty"`
	MarketplaceProductCodes []string  `json:"marketplace_product_codes,omitempty"`
	DevpayProductCodes      []string  `json:"devpay_product_codes,omitempty"`

	// SignatureKind says which signature was verified.
	SignatureKind SignatureKind `json:"signature_kind"`

	// CertificateSHA256 is the hex digest of the certificate that signed.
	CertificateSHA256 string `json:"certificate_sha256"`

	// DocumentSHA256 is the hex digest of the document, byte for byte.
	DocumentSHA256 string `json:"document_sha256"`
}

// claims turns a checked document into Claims.
func (d *document) claims() Claims {
	return Claims{
		AccountID:               d.AccountID,
		Region:                  d.Region,
		Partition:               d.partition,
		AvailabilityZone:        d.AvailabilityZone,
		InstanceID:              d.InstanceID,
		InstanceType:            d.InstanceType,
		ImageID:                 d.ImageID,
		Architecture:            d.Architecture,
		Version:                 d.Version,
		PrivateIP:               d.PrivateIP,
		PendingTime:             d.pending,
		KernelID:                d.KernelID,
		RamdiskID:               d.RamdiskID,
		BillingProducts:         d.BillingProducts,
		MarketplaceProductCodes: d.MarketplaceProductCodes,
		DevpayProductCodes:      d.DevpayProductCodes,
	}
}
