package awsiid

import (
	"encoding/json"
	"fmt"
	"strings"
)

// A Document is an instance identity document. It is written as AWS writes it;
// what is empty, as null.
type Document struct {
	AccountID, Architecture, AvailabilityZone                    string
	BillingProducts, DevpayProductCodes, MarketplaceProductCodes []string

	ImageID, InstanceID, InstanceType, KernelID, PendingTime, PrivateIP, RamdiskID, Region, Version string
}

// NewDocument returns a document of an instance in a region, to be changed at
// will.
func NewDocument(region string) Document {
	return Document{
		AccountID:        "123456789012",
		Architecture:     "x86_64",
		AvailabilityZone: region + "b",
		ImageID:          "ami-5fb8c835",
		InstanceID:       "i-0b22a22eec53b9321",
		InstanceType:     "t3.micro",
		PendingTime:      "2026-01-02T03:04:05Z",
		PrivateIP:        "10.158.112.84",
		Region:           region,
		Version:          "2017-09-30",
	}
}

// JSON writes the document in AWS's order and spacing.
func (d Document) JSON() []byte {
	var lines []string
	for _, field := range []struct {
		key   string
		value any
	}{
		{"accountId", d.AccountID},
		{"architecture", d.Architecture},
		{"availabilityZone", d.AvailabilityZone},
		{"billingProducts", d.BillingProducts},
		{"devpayProductCodes", d.DevpayProductCodes},
		{"marketplaceProductCodes", d.MarketplaceProductCodes},
		{"imageId", d.ImageID},
		{"instanceId", d.InstanceID},
		{"instanceType", d.InstanceType},
		{"kernelId", d.KernelID},
		{"pendingTime", d.PendingTime},
		{"privateIp", d.PrivateIP},
		{"ramdiskId", d.RamdiskID},
		{"region", d.Region},
		{"version", d.Version},
	} {
		if field.value == "" {
			field.value = nil
		}
		value, err := json.Marshal(field.value)
		if err != nil {
			panic(err) // strings and lists of strings can be marshalled
		}
		lines = append(lines, fmt.Sprintf("  %q : %s", field.key, value))
	}
	return []byte("{\n" + strings.Join(lines, ",\n") + "\n}")
}
