package plugindata

const (
	// MaxSize bounds the text that Parse reads.
	MaxSize = 1 << 20

	// maxDepth bounds how deep objects and lists nest: hclsyntax's parser calls
	// itself for each level. Real configurations need four.
	maxDepth = 32

	// maxShownKey bounds how many characters of a key a message shows.
	maxShownKey = 64
)
