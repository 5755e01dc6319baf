package awsiid_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/spire-gatehouse/gatehouse/evidence/awsiid"
)

func TestNames(t *testing.T) {
	x := strings.Repeat
	for name, tc := range map[string]struct {
		is   func(string) bool
		good []string
		bad  []string
	}{
		"regions": {awsiid.IsRegion, []string{
			"us-west-2", "ap-southeast-7", "mx-central-1", "us-east-12", "cn-north-1", "us-gov-west-1", "us-iso-east-1",
			"us-isob-east-1", "eu-isoe-west-1", "us-isof-south-1", "eusc-de-east-1",
		}, []string{
			"", "us-west", "us-west-2a", "us-west-02", "us-west-0", "us-west-100", "us-west-2 ", "us-west-2\n", "US-WEST-2", "uswest-2",
			"aws-global", "us-gov-1", "us-mars-west-1", "abc-west-1", "cn-north-west-1", "eusc-east-1", "us-west-2.example.org", "Oregon",
		}},
		"accounts": {awsiid.IsAccountID, []string{"123456789012", "000000000000"},
			[]string{"", "12345678901", "1234567890123", "12345678901a", "1234-5678-9012", "123456789012\n", "١٢٣٤٥٦٧٨٩٠١٢"}},
		"roles": {awsiid.IsRoleName, []string{
			"spire", "path/spire", "a/b/c/spire", "Role+=,.@-_9", x("r", 64), x("p", 510) + "/r", "a:b!/r", "arn/r",
		}, []string{
			"", "/spire", "spire/", "a//spire", "/", "spire server", "a b/spire", "spire:server", x("r", 65), x("p", 511) + "/r", "é", "é/r", "r\n",
			"arn:aws:iam::123456789012:role/spire", "arn:aws:iam::123456789012:role", "arn:aws:iam::123456789012:role/path/spire",
		}},
		"clusters": {awsiid.IsClusterName, []string{"a", "9", "Blue-1_b", x("c", 100)},
			[]string{"", "-a", "_a", "a.b", "a/b", "a b", "a\n", x("c", 101), "é"}},
	} {
		t.Run(name, func(t *testing.T) {
			for _, text := range tc.good {
				if !tc.is(text) {
					t.Errorf("%q is refused", text)
				}
			}
			for _, text := range tc.bad {
				if tc.is(text) {
					t.Errorf("%q is taken", text)
				}
			}
		})
	}
}

// Each region with a certificate is one.
func TestIsRegionOfCertificates(t *testing.T) {
	certificates, err := awsiid.EmbeddedCertificates()
	if err != nil {
		t.Fatal(err)
	}
	if odd := slices.DeleteFunc(certificates.Regions(), awsiid.IsRegion); len(odd) > 0 {
		t.Errorf("not regions: %v", odd)
	}
}
