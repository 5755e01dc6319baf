package serverconf

// MaxSize bounds the text that Parse reads.
const MaxSize = 1 << 20
