// Package telemetry counts what a plugin does, and hands the figures to SPIRE's
// Metrics host service: they come out wherever SPIRE's telemetry goes.
//
// Start at metrics.go, which lists every metric that there is. A Recorder adds up
// in memory, which never waits, and hands over every few seconds by one goroutine.
// A SPIRE that has no such service, or a slow one, costs figures and nothing else.
//
// SPIRE keeps each combination of label values for as long as the server runs. So
// the values of every label are bounded, and none is chosen by a node.
package telemetry
