// Package spire runs real SPIRE, for tests and for the demo: it gets the
// binaries, starts servers and agents on loopback, asks them through their own
// CLI, reads their logs, and stops all it started.
//
// Start at FindBinaries, then StartServer and StartAgent. Attest is for sending
// what no honest agent would send.
package spire
