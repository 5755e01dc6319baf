package awsiid

import (
	"fmt"
	"net/netip"
	"regexp"
	"strings"
	"time"
	"unicode"

	"github.com/spire-gatehouse/gatehouse/internal/strictjson"
)

// document is an instance identity document as AWS writes it. AWS documents the
// fields in
// https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instance-identity-documents.html
// and writes null for those that don't apply.
type document struct {
	AccountID               string   `json:"accountId"`
	Architecture            string   `json:"architecture"`
	AvailabilityZone        string   `json:"availabilityZone"`
	BillingProducts         []string `json:"billingProducts"`
	DevpayProductCodes      []string `json:"devpayProductCodes"`
	MarketplaceProductCodes []string `json:"marketplaceProductCodes"`
	ImageID                 string   `json:"imageId"`
	InstanceID              string   `json:"instanceId"`
	InstanceType            string   `json:"instanceType"`
	KernelID                string   `json:"kernelId"`
	PendingTime             string   `json:"pendingTime"`
	PrivateIP               string   `json:"privateIp"`
	RamdiskID               string   `json:"ramdiskId"`
	Region                  string   `json:"region"`
	Version                 string   `json:"version"`

	partition string
	pending   time.Time
}

var instancePattern = regexp.MustCompile(`^i-([0-9a-f]{8}|[0-9a-f]{17})$`)

// parseDocument reads a document and checks what policy and cloud calls rely on.
// Fields that it doesn't know are let through, for AWS to add some.
func parseDocument(text string, now time.Time) (document, error) {
	var doc document
	options := strictjson.Options{MaxDepth: maxDocumentDepth, AllowUnknownFields: true}
	if err := strictjson.Unmarshal([]byte(text), &doc, options); err != nil {
		return document{}, fmt.Errorf("document: %w", err)
	}
	if err := doc.check(now); err != nil {
		return document{}, fmt.Errorf("document: %w", err)
	}
	return doc, nil
}

// check validates the fields, and that they fit together.
func (d *document) check(now time.Time) error {
	if err := d.checkText(); err != nil {
		return err
	}
	if !IsAccountID(d.AccountID) {
		return fmt.Errorf("accountId %.64q is not 12 digits", d.AccountID)
	}
	if !instancePattern.MatchString(d.InstanceID) {
		return fmt.Errorf("instanceId %.64q is not i- and 8 or 17 hexadecimal digits", d.InstanceID)
	}
	var ok bool
	if d.partition, ok = partitionOf(d.Region); !ok {
		return fmt.Errorf("region %.64q is not an AWS region", d.Region)
	}
	if !zoneOf(d.AvailabilityZone, d.Region) {
		return fmt.Errorf("availabilityZone %.64q is not one of region %s", d.AvailabilityZone, d.Region)
	}
	pending, err := time.Parse(time.RFC3339, d.PendingTime)
	if err != nil {
		return fmt.Errorf("pendingTime %.64q is not an RFC 3339 time", d.PendingTime)
	}
	if d.pending = pending.UTC(); d.pending.After(now.Add(maxFuture)) {
		return fmt.Errorf("pendingTime %s is in the future: it is %s here",
			d.PendingTime, now.UTC().Format(time.RFC3339))
	}
	if d.PrivateIP != "" {
		if address, err := netip.ParseAddr(d.PrivateIP); err != nil || address.Zone() != "" {
			return fmt.Errorf("privateIp %.64q is not an IP address", d.PrivateIP)
		}
	}
	return nil
}

// checkText bounds all strings and keeps control characters out of them.
func (d *document) checkText() error {
	for _, field := range []struct {
		key    string
		values []string
	}{
		{"accountId", []string{d.AccountID}},
		{"architecture", []string{d.Architecture}},
		{"availabilityZone", []string{d.AvailabilityZone}},
		{"billingProducts", d.BillingProducts},
		{"devpayProductCodes", d.DevpayProductCodes},
		{"marketplaceProductCodes", d.MarketplaceProductCodes},
		{"imageId", []string{d.ImageID}},
		{"instanceId", []string{d.InstanceID}},
		{"instanceType", []string{d.InstanceType}},
		{"kernelId", []string{d.KernelID}},
		{"pendingTime", []string{d.PendingTime}},
		{"privateIp", []string{d.PrivateIP}},
		{"ramdiskId", []string{d.RamdiskID}},
		{"region", []string{d.Region}},
		{"version", []string{d.Version}},
	} {
		if len(field.values) > maxFieldItems {
			return fmt.Errorf("%s has %d entries, more than %d", field.key, len(field.values), maxFieldItems)
		}
		for _, value := range field.values {
			if len(value) > maxField {
				return fmt.Errorf("%s has %d bytes, more than %d", field.key, len(value), maxField)
			}
			if strings.ContainsFunc(value, unicode.IsControl) {
				return fmt.Errorf("%s has a control character", field.key)
			}
		}
	}
	return nil
}
