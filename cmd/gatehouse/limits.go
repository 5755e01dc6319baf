package main

const (
	// maxFile is how long a file may be that is read whole, in bytes.
	maxFile = 16 << 20

	// maxShown is how many characters of a value people are shown.
	maxShown = 160
)
