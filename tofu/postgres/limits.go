package postgres

const (
	// maxConnections bounds Options.MaxConnections.
	maxConnections = 1000

	// maxPasswordBytes bounds what is read of a password file.
	maxPasswordBytes = 1 << 10

	// maxMessageBytes bounds one message of the server. Gatehouse reads one row at a
	// time, of a few short columns.
	maxMessageBytes = 1 << 20
)
