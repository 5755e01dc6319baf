//go:build race

package rego_test

// The race detector has allocations of its own.
const allocationLimit = 1800
