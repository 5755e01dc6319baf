package replay

import (
	"slices"

	"github.com/spire-gatehouse/gatehouse/rego"
)

// What groups of some classes begin with, or are.
const (
	warns        = "warns: "
	warnsNoMore  = "no longer warns: "
	exempt       = "exempt: "
	exemptNoMore = "no longer exempt: "
)

var reattests = map[bool]string{true: "may attest again", false: "may no longer attest again"}

// Asides says what else is different where both let the node in: warnings, exemptions,
// whether the agent may attest again.
func Asides(old, now *Answer) []string {
	if old.Outcome != Allowed || now.Outcome != Allowed {
		return nil
	}
	var asides []string
	warnings := func(prefix string, in, notIn []rego.Violation) {
		known := rego.RuleNames(notIn)
		for _, v := range in {
			if !slices.Contains(known, v.Rule) {
				asides = append(asides, prefix+v.Rule+": "+v.Msg)
			}
		}
	}
	warnings(warns, now.Warnings, old.Warnings)
	warnings(warnsNoMore, old.Warnings, now.Warnings)
	asides = append(asides, exemptions(old, now)...)
	if old.CanReattest != now.CanReattest {
		asides = append(asides, reattests[now.CanReattest])
	}
	return asides
}

// exemptions are those that come and go.
func exemptions(old, now *Answer) []string {
	return changes(exempt, exemptNoMore, sorted(old.Exempt), sorted(now.Exempt))
}

// changes says of names, which are sorted, which come and which go.
func changes(comes, goes string, before, after []string) []string {
	return slices.Concat(prefixed(comes, without(after, before)), prefixed(goes, without(before, after)))
}

func sorted(texts []string) []string {
	texts = slices.Clone(texts)
	slices.Sort(texts)
	return texts
}

func suffixed(texts []string, suffix string) []string {
	all := make([]string, 0, len(texts))
	for _, text := range texts {
		all = append(all, text+suffix)
	}
	return all
}

func prefixed(prefix string, texts []string) []string {
	all := make([]string, 0, len(texts))
	for _, text := range texts {
		all = append(all, prefix+text)
	}
	return all
}
