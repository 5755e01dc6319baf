package awsiid

import (
	"regexp"
	"strings"
)

var (
	regionPattern = regexp.MustCompile(`^[a-z]{2,4}(-[a-z]{2,16}){1,3}-[1-9][0-9]?$`)

	// zoneSuffix is how a zone's name goes on after that of its region: with a
	// letter, or with the name of a local zone (us-west-2-lax-1a) or of a
	// Wavelength zone (us-east-1-wl1-bos-wlz-1).
	zoneSuffix = regexp.MustCompile(`^([a-z]|(-[a-z0-9]{1,16}){2,4})$`)
)

// Partitions lists AWS's partitions, the most used first: those of
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference-arns.html and those
// that AWS's SDKs know beside them.
func Partitions() []string {
	return []string{"aws", "aws-cn", "aws-us-gov", "aws-iso", "aws-iso-b", "aws-iso-e", "aws-iso-f", "aws-eusc"}
}

// IsRegion reports whether text has the form of a region's name in one of the
// Partitions, such as "us-west-2", "us-gov-west-1" and "eusc-de-east-1". AWS adds
// regions, so that not all such names are in
// https://docs.aws.amazon.com/global-infrastructure/latest/regions/aws-regions.html
func IsRegion(text string) bool {
	_, ok := partitionOf(text)
	return ok
}

// partitionOf returns the AWS partition of a region; false if name isn't the
// name of a region, or is of a form that no partition is known to use.
//
// The table follows the partitions of AWS's endpoint rules, as in the AWS SDKs'
// partitions.json.
func partitionOf(region string) (partition string, ok bool) {
	if !regionPattern.MatchString(region) {
		return "", false
	}
	parts := strings.Split(region, "-")
	switch parts[0] {
	case "cn":
		return "aws-cn", len(parts) == 3
	case "eusc":
		return "aws-eusc", len(parts) == 4
	}
	switch parts[0] + "-" + parts[1] {
	case "us-gov":
		return "aws-us-gov", len(parts) == 4
	case "us-iso":
		return "aws-iso", len(parts) == 4
	case "us-isob":
		return "aws-iso-b", len(parts) == 4
	case "eu-isoe":
		return "aws-iso-e", len(parts) == 4
	case "us-isof":
		return "aws-iso-f", len(parts) == 4
	}
	return "aws", len(parts) == 3 && len(parts[0]) == 2
}

// zoneOf reports whether an availability zone is one of a region.
func zoneOf(zone, region string) bool {
	suffix, ok := strings.CutPrefix(zone, region)
	return ok && zoneSuffix.MatchString(suffix)
}
