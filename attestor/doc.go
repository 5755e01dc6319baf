// Package attestor is the shell between SPIRE and Gatehouse: a server
// NodeAttestor plugin whose decisions are made in Rego.
//
// Start at attestation.run in attest.go: it reads as the six steps of an
// attestation (verify, admit, gather, first use, decide, answer). Plugin, in
// plugin.go, is what SPIRE loads. plugin_data becomes a snapshot in snapshot.go;
// what sets the plugins apart is in kind.go. What there is to say about an
// attestation is in record.go; package decisionlog writes it down. refusal.go is
// the only place that knows gRPC codes, and what an agent may be told.
package attestor
