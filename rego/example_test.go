package rego_test

import (
	"context"
	"fmt"

	"github.com/spire-gatehouse/gatehouse/policies"
	"github.com/spire-gatehouse/gatehouse/rego"
)

// An engine over the baseline, and both questions of an attestation. The node's
// instance has stopped since its document was signed.
func Example() {
	ctx := context.Background()
	engine, err := rego.New(ctx, rego.Options{
		Plugin: "aws_iid",
		Policy: policies.Baseline(),
		Config: map[string]any{"partition": "aws"},
	})
	if err != nil {
		fmt.Println(err)
		return
	}

	input := admissionInput() // the signed document, and the time
	admission, err := engine.Admit(ctx, input)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("denied by the document:", admission.Denials())
	fmt.Println("facts to gather:", admission.Required)

	input.Facts = map[string]any{"instance": inState("stopped")}
	input.Tofu = &rego.Tofu{Attested: false, Claimed: false}
	decision, err := engine.Decide(ctx, input)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, denial := range decision.Denials() {
		fmt.Printf("%s: %s\n", denial.Rule, denial.Msg)
	}

	// Output:
	// denied by the document: []
	// facts to gather: [instance instance_profile]
	// instance_state: instance i-0123456789abcdef0 is stopped, not pending or running
}
