// Package azuremsi verifies the access tokens that Azure's instance metadata
// service gives to a machine with a managed identity, and gathers facts about
// that machine from Azure Resource Manager.
//
// Start with [Collector.Verify], whose comment lists the checks in the order of
// the code; [Evidence.Gather] is the other half. The files:
//
//	payload.go, header.go, token.go, times.go   what the agent sent, parsed strictly
//	machine.go, resource.go                     which Azure resource a token names
//	cloud.go, authority.go, key.go, keys.go     who may sign, and with which keys
//	verify.go, signature.go, claims.go          the checks, and what they prove
//	gather.go, source.go, facts.go, network.go  facts, from the resource that the token names
//	batches.go                                  many resources together: how they are read
//	client.go, graph.go, quota.go, lists.go     one by its ID, many from Resource Graph or a list
//	convert.go, credentials.go, calls.go        the rest of Azure's SDK: nothing of it leaves these
//
// # What a token does not prove
//
// Any process on the machine can get one, unless its owner prevents that, and it
// is valid for up to a day: first use is what binds it to SPIRE's agent.
//
// The default audience is Azure Resource Manager, so that whoever receives such
// a token (or any workload's log that holds one) can attest as the machine.
//
// An identity that the user assigned can be shared by many machines: all of them
// have one tenant ID and principal ID. Which of them a token came from says
// xms_az_rid only, which Microsoft does not document; and neither it nor
// xms_mirid is in tokens for an audience that is not Microsoft's own.
//
// A scale set's own identity is shared by its instances, and tokens name the
// scale set, not the instance.
//
// A token outlives the machine: it still verifies after its machine was deleted.
// Resource Manager knows better, which is why facts are only of a machine that
// holds the token's principal now.
package azuremsi
