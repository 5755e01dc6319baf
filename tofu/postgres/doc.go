// Package postgres holds claims in a PostgreSQL database, for several SPIRE
// servers together, and remembers first uses there.
//
// Start at Open, then DB.Take in claims.go. Every call is one round trip, ends
// within the configured timeout and fails when the database does: nothing here
// takes silence for a yes. Times are compared by the database's clock alone.
//
// What it can't do: a database that loses what it has committed, by a failover to
// a replica that lags behind, loses claims and first uses with it. Claims that were
// kept are gone after seconds anyway.
package postgres
