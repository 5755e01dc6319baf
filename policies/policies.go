// Package policies holds the baseline: the Rego that decides when an operator
// configures nothing, and the JSON Schemas of what it reads. Go only embeds it.
//
// Start reading at gatehouse/aws_iid/aws_iid.rego, which says how a policy is
// put together. Each rule is a file of its own, so that an operator's file at the
// same relative path replaces exactly that rule.
package policies

import (
	"embed"
	"io/fs"
)

//go:embed gatehouse schemas
var baseline embed.FS

// Baseline returns the embedded policies: gatehouse/… with their tests, and
// schemas/….
func Baseline() fs.FS { return baseline }
