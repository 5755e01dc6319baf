// Package replay tests gatehouse replay on a log of 10,000 decisions: the reports
// about candidates whose effects are known are compared whole, and the page is
// opened in a real browser. And on a log that the plugin wrote itself, about a fleet
// of the stand-ins. Without the race detector, which would take minutes.
package replay
