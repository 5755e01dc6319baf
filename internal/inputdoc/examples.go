package main

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"

	"github.com/spire-gatehouse/gatehouse/policies"
)

// readExamples reads a plugin's samples, or its sample configuration.
func readExamples(of string) ([]any, error) {
	if of == "" {
		return nil, nil
	}
	if plugin, ok := strings.CutSuffix(of, "_config"); ok {
		text, err := policies.SampleConfig(plugin)
		if err != nil {
			return nil, err
		}
		return parsed(nil, text)
	}
	samples, err := policies.Samples(of)
	if err != nil {
		return nil, err
	}
	names, err := fs.Glob(samples, "*.json")
	if err != nil {
		return nil, err
	}
	var all []any
	for _, name := range names {
		text, err := fs.ReadFile(samples, name)
		if err != nil {
			return nil, err
		}
		if all, err = parsed(all, text); err != nil {
			return nil, fmt.Errorf("sample %s: %w", name, err)
		}
	}
	return all, nil
}

func parsed(all []any, text []byte) ([]any, error) {
	var value any
	err := json.Unmarshal(text, &value)
	return append(all, value), err
}

// below are the values at a key.
func below(values []any, key string) []any {
	var all []any
	for _, value := range values {
		if object, ok := value.(map[string]any); ok && object[key] != nil {
			all = append(all, object[key])
		}
	}
	return all
}

// elements are the values in arrays and objects.
func elements(values []any) []any {
	var all []any
	for _, value := range values {
		switch value := value.(type) {
		case []any:
			all = append(all, value...)
		case map[string]any:
			for _, key := range slices.Sorted(maps.Keys(value)) {
				all = append(all, value[key])
			}
		}
	}
	return all
}
