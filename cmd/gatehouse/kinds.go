package main

import (
	"strings"

	"github.com/spire-gatehouse/gatehouse/attestor"
)

// kindNamed finds a plugin that a flag or an argument names.
func kindNamed(name string) (attestor.Kind, error) {
	kind, known := attestor.KindNamed(name)
	if !known {
		return attestor.Kind{}, usageErrorf("there is no plugin %q: %s", name, strings.Join(attestor.KindNames(), ", "))
	}
	return kind, nil
}
