package recovered_test

import (
	"bytes"
	"errors"
	"fmt"
	"testing"

	"github.com/spire-gatehouse/gatehouse/internal/recovered"
)

func TestTo(t *testing.T) {
	failure := errors.New("failed")
	run := func(value any) (err error) {
		defer recovered.To(&err)
		if value != nil {
			panic(value)
		}
		return failure
	}
	if got := run(nil); got != failure {
		t.Errorf("without a panic: got %v", got)
	}
	wrapped := fmt.Errorf("fact instance: %w", run("nil pointer"))
	var p *recovered.Panic
	if !errors.As(wrapped, &p) {
		t.Fatalf("got %v", wrapped)
	}
	if wrapped.Error() != "fact instance: panic: nil pointer" {
		t.Errorf("got %q", wrapped)
	}
	if !bytes.Contains(p.Stack, []byte("recovered_test.go")) {
		t.Errorf("the stack does not show where it was:\n%s", p.Stack)
	}
}
