// Package replay takes recorded decisions again with another policy, and reports
// what would have come out differently, for whom, and how dangerous that is.
//
// Start at Run. A log's lines (source.go) are read and judged by a worker for each
// processor (work.go): each decision is asked of the candidate (ask.go), compared
// with what was recorded, or with what another policy says (compare.go), and what
// came of it is counted in the order of the log (tally.go). The outcome is a
// Report; junit.go and the package page show it.
//
// Memory does not grow with the log. What is kept of decisions are samples, drawn
// by the hash of their IDs so that the same log gives the same ones, and groups,
// of which there are maxGroups of a class; what comes after that is counted all the
// same.
//
// A decision is taken again from its recorded input alone. What that does not have
// can't be known: facts that were not gathered then, and whether an agent whose
// ID is another one now would have been turned away as a second one of the new ID.
package replay
