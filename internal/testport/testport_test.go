package testport_test

import (
	"fmt"
	"net"
	"sync"
	"testing"

	"github.com/spire-gatehouse/gatehouse/internal/testport"
)

// TestFree: nobody gets the port of another, who may not listen at it yet, nor one that is
// in use.
func TestFree(t *testing.T) {
	var all sync.WaitGroup
	var given sync.Map
	for range 100 {
		all.Go(func() {
			port, err := testport.Free(t.Context())
			if err != nil {
				t.Error(err)
			}
			if _, twice := given.LoadOrStore(port, true); twice {
				t.Errorf("port %d is given twice", port)
			}
		})
	}
	all.Wait()
	port, err := testport.Free(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var busy net.Listener
	for next := port + 1; busy == nil; next++ { // the one whose turn is next, unless it is in use
		port = next
		busy, _ = net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", next))
	}
	defer busy.Close()
	if got, err := testport.Free(t.Context()); err != nil || got == port {
		t.Errorf("got %d, %v; %d is in use", got, err, port)
	}
}
