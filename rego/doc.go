// Package rego is the engine: it loads policies, evaluates them, and trusts
// nothing that they answer until it has looked at it.
//
// Start reading at New, which parses, compiles and type-checks a policy and
// takes away the built-ins that would make it depend on more than its input.
// Then at Engine.Admit and Engine.Decide, the two questions of an attestation,
// at decision.go for what an answer must look like, and at enforcement.go for how
// operators turn rules down. asked.go keeps a question for the decision log, and
// redact.go asks policy what that may not have. selftest.go and sample.go try out
// a policy that was not tested when the binary was built.
//
// Package bundles, below this one, gets policy from elsewhere.
//
// An Engine never changes. To reload a policy, make another Engine and swap it
// for the old one when New succeeded.
//
// Everything fails closed: an answer that is undefined, of another shape than
// expected, too large, or late is an error, and so is a built-in function that
// fails. A caller that gets an error must deny.
//
// What it does not promise: time zone names other than UTC ("Local", say) are
// looked up on the machine that evaluates, so a policy that asks for one can
// answer differently elsewhere.
package rego
