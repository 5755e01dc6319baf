package rego_test

import (
	"fmt"
	"testing"

	"github.com/spire-gatehouse/gatehouse/rego"
)

// taggedInput has as many tags and groups as busy instances have.
func taggedInput() rego.Input {
	in := decisionInput()
	instance := in.Facts["instance"].(goodInstance)
	instance.Tags = map[string]string{}
	for i := range 20 {
		instance.Tags[fmt.Sprintf("team:tag-%02d", i)] = fmt.Sprintf("value-%02d", i)
	}
	instance.SecurityGroups = append(instance.SecurityGroups, securityGroup{ID: "sg-2", Name: "db"})
	in.Facts["instance"] = instance
	return in
}

func BenchmarkAdmit(b *testing.B) {
	engine := newEngine(b, baselineOptions())
	in := admissionInput()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := engine.Admit(b.Context(), in); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkDecide(b *testing.B) {
	engine := newEngine(b, baselineOptions())
	in := taggedInput()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := engine.Decide(b.Context(), in); err != nil {
			b.Fatal(err)
		}
	}
}
