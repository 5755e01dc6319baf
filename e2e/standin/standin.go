// Package standin serves stand-ins for cloud services on loopback.
//
// The stand-ins themselves are in the folders below: imds answers as the EC2
// instance metadata service does, aws as the AWS APIs do. They are strict: what
// the real service refuses, they refuse in the same way, so that a test which
// passes here says something about the cloud.
package standin

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"time"
)

// A Listener serves one handler on a loopback port of its own.
type Listener struct {
	// URL is where it answers, without a trailing slash.
	URL string

	server *http.Server
	done   chan struct{}
}

// Listen serves handler on loopback until Close or the end of ctx.
func Listen(ctx context.Context, handler http.Handler) (*Listener, error) {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("standin: %w", err)
	}
	l := &Listener{
		URL:    "http://" + listener.Addr().String(),
		server: &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second},
		done:   make(chan struct{}),
	}
	go func() {
		defer close(l.done)
		// It always ends with an error: the one that Close causes.
		_ = l.server.Serve(listener)
	}()
	context.AfterFunc(ctx, l.Close)
	return l, nil
}

// Close ends the connections and waits until nobody is served any more.
func (l *Listener) Close() {
	_ = l.server.Close()
	<-l.done
}
