package main

import (
	"strings"

	"github.com/spire-gatehouse/gatehouse/attestor"
)

func pluginNames() []string {
	var names []string
	for _, kind := range attestor.Kinds() {
		names = append(names, kind.Name())
	}
	return names
}

// kindNamed finds a plugin that a flag or an argument names.
func kindNamed(name string) (attestor.Kind, error) {
	for _, kind := range attestor.Kinds() {
		if kind.Name() == name {
			return kind, nil
		}
	}
	return attestor.Kind{}, usageErrorf("there is no plugin %q: %s", name, strings.Join(pluginNames(), ", "))
}
