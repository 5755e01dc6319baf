package postgres

const (
	// maxConnections bounds Options.MaxConnections.
	maxConnections = 1000

	// maxPasswordBytes bounds what is read of a password file.
	maxPasswordBytes = 1 << 10
)
