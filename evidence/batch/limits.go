package batch

// maxLoads is how often a call may ask its source while it looks for bad IDs. When
// the source names them, it is two; when it doesn't, 16 are enough for one bad ID
// among 250.
const maxLoads = 16
