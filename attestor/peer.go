package attestor

import (
	"context"
	"net/netip"

	"google.golang.org/grpc/metadata"
)

// clientIPKey is the gRPC metadata in which SPIRE, since 1.14, forwards the
// address that the agent's connection came from: behind a proxy, the proxy's.
const clientIPKey = "x-forwarded-client-ip"

// peerIP returns the agent's address, or the zero Addr when SPIRE sent none, or
// sent something that is no single address.
func peerIP(ctx context.Context) netip.Addr {
	values := metadata.ValueFromIncomingContext(ctx, clientIPKey)
	if len(values) != 1 {
		return netip.Addr{}
	}
	ip, err := netip.ParseAddr(values[0])
	if err != nil || ip.Zone() != "" {
		return netip.Addr{}
	}
	return ip.Unmap()
}
