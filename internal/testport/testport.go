// Package testport finds ports for programs that tests start, which can't be told
// to listen at any port and say which.
package testport

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
	"sync/atomic"
	"syscall"
)

// The ports are below those that systems give to who asks for any, servers and clients
// alike (Linux from 32768 on): a program takes seconds until it listens, and in that
// time a storm of connections beside it goes through thousands of those.
const (
	first = 10_000
	ports = 20_000
)

// turn has each call of this process get another port than the calls before it, and
// begins elsewhere in each process.
var turn = func() *atomic.Uint32 {
	var n atomic.Uint32
	n.Store(rand.Uint32N(ports))
	return &n
}()

// Free returns a port of 127.0.0.1 at which nobody listens. It is safe for concurrent
// use.
func Free(ctx context.Context) (int, error) {
	for range ports {
		port := first + int(turn.Add(1)%ports)
		listener, err := new(net.ListenConfig).Listen(ctx, "tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if errors.Is(err, syscall.EADDRINUSE) {
			continue
		}
		if err != nil {
			return 0, fmt.Errorf("testport: %w", err)
		}
		return port, listener.Close()
	}
	return 0, fmt.Errorf("testport: none of %d ports from %d on is free", ports, first)
}
