//go:build !race

package rego_test

const allocationLimit = 1500
