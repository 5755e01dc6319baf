// Package decisionlog writes one JSON line for each attestation, in the format of
// OPA's decision log, with all that is needed to take the decision again.
//
// Start at Event, which is what an attestation leaves behind. A Log makes a line of
// it (line.go), takes away what the policy's package system.log says (redact.go)
// and writes it to each of the configured sinks (sinks.go): a file, the server's
// log, and OPA's own decision log plugin, which uploads. Reader reads lines back.
//
// Nothing here is on an attestation's path: Log.Put only puts the event in a
// queue, and what the queue has no room for is lost, counted and complained about.
package decisionlog
