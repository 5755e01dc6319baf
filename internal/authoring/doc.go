// Package authoring is what the commands for authors of policies do: format,
// lint, eject, new and bundle. What they print is the commands' own affair.
//
// Checking and testing are not here: those are attestor.PolicyDirectory and
// rego.Test, as the plugin has them.
package authoring
