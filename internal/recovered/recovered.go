// Package recovered makes errors of panics.
//
// SPIRE does not restart a plugin that died, and a panic in any goroutine ends the
// whole process. So every goroutine that works on what came from outside begins
// with
//
//	defer recovered.To(&err)
package recovered

import (
	"fmt"
	"runtime/debug"
)

// A Panic is what a panic becomes. Its text has no stack: that is for a log, and
// not for an error that is quoted in others.
type Panic struct {
	Value any
	Stack []byte
}

func (p *Panic) Error() string { return fmt.Sprintf("panic: %v", p.Value) }

// To makes an error of a panic, in the place of the one that is there. It has to
// be deferred itself: called by a deferred function, it would recover nothing.
func To(err *error) {
	if value := recover(); value != nil {
		*err = &Panic{Value: value, Stack: debug.Stack()}
	}
}
