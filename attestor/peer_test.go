package attestor

import (
	"testing"

	"google.golang.org/grpc/metadata"
)

func TestPeerIP(t *testing.T) {
	for name, tc := range map[string]struct {
		sent []string
		want string
	}{
		"v4":           {[]string{"192.0.2.7"}, "192.0.2.7"},
		"v6":           {[]string{"2001:db8::7"}, "2001:db8::7"},
		"mapped v4":    {[]string{"::ffff:192.0.2.7"}, "192.0.2.7"},
		"none":         {nil, "invalid IP"},
		"empty":        {[]string{""}, "invalid IP"},
		"two":          {[]string{"192.0.2.7", "192.0.2.8"}, "invalid IP"},
		"a host name":  {[]string{"localhost"}, "invalid IP"},
		"with a zone":  {[]string{"fe80::1%eth0"}, "invalid IP"},
		"with a port":  {[]string{"192.0.2.7:80"}, "invalid IP"},
		"with a space": {[]string{" 192.0.2.7"}, "invalid IP"},
	} {
		t.Run(name, func(t *testing.T) {
			ctx := t.Context()
			if tc.sent != nil {
				ctx = metadata.NewIncomingContext(ctx, metadata.MD{clientIPKey: tc.sent})
			}
			if got := peerIP(ctx).String(); got != tc.want {
				t.Errorf("got %s, want %s", got, tc.want)
			}
		})
	}
}
