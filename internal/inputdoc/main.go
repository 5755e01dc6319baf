// Command inputdoc writes docs/input.md, the reference of what policies see, from
// the schemas by which policies are checked. Examples are from the samples.
//
//	go generate ./policies
package main

import (
	"fmt"
	"os"
)

func main() {
	text, err := reference()
	if err == nil && len(os.Args) != 2 {
		err = fmt.Errorf("usage: inputdoc FILE")
	}
	if err == nil {
		err = os.WriteFile(os.Args[1], []byte(text), 0o644)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "inputdoc:", err)
		os.Exit(1)
	}
}
