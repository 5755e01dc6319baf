// Package replay tests gatehouse replay on the 10,000 decisions in testdata/replay/log:
// the reports about candidates whose effects are known are compared whole, and held
// against the definition of the fleet; the page is opened in a real browser. A small
// log is recorded anew, to show that the one that is there still is what Gatehouse
// writes. Without the race detector, which would take minutes.
package replay
