// Package stack spares goroutines the growth of their stacks.
//
// A goroutine begins with a few kilobytes, and each time they don't suffice its
// stack is copied to one of twice the size, pointers adjusted frame by frame. OPA
// and the clouds' SDKs call some fifty functions deep, so that a goroutine that
// lives for one attestation copied deep stacks four times: a third of the time of
// an evaluation.
package stack

// size is what an evaluation of the baseline and a call of an SDK get by with. More
// than that works as ever, and less costs nothing but the memory.
const size = 16 << 10 // bytes

// Grow has the goroutine's stack grown to what is usual, while there is nothing in
// it to copy. It is for the beginning of goroutines that are about to go deep.
func Grow() { sink(0) }

// sink has a frame of that size, which is not in use when it returns. Its index
// keeps the compiler from doing without.
//
//go:noinline
func sink(index int) byte {
	var frame [size]byte
	return frame[index]
}
