package stack_test

import (
	"testing"

	"github.com/spire-gatehouse/gatehouse/internal/stack"
)

// deep calls itself with frames of about 100 bytes, as OPA and SDKs do with larger
// ones.
//
//go:noinline
func deep(levels int) (sum int) {
	var frame [8]int
	if levels > 0 {
		sum = deep(levels - 1)
	}
	for i := range frame {
		frame[i] = sum + i
	}
	return frame[levels%len(frame)]
}

// One who grows the stack first spares copies of deep ones.
func BenchmarkGrow(b *testing.B) {
	for name, begin := range map[string]func(){"not grown": func() {}, "grown": stack.Grow} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				done := make(chan int)
				go func() {
					begin()
					done <- deep(80)
				}()
				<-done
			}
		})
	}
}
