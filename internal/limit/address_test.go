package limit_test

import (
	"net/netip"
	"testing"

	"pryde/internal/limit"
)

func TestAddressKeyCountsNetworksOfIPv6(t *testing.T) {
	for address, want := range map[string]string{
		"192.0.2.7": "192.0.2.7", "::ffff:192.0.2.7": "192.0.2.7", "2001:db8:1:2:3:4:5:6": "2001:db8:1:2::/64", "fe80::1%eth0": "fe80::/64",
	} {
		if got := limit.AddressKey(netip.MustParseAddr(address)); got != want {
			t.Errorf("AddressKey(%s) = %s, want %s", address, got, want)
		}
	}
}

func TestTheClientIsWhomATrustedProxySpeaksFor(t *testing.T) {
	proxies := limit.Proxies{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8")}
	for _, tt := range []struct {
		peer      string
		forwarded []string
		want      string
	}{
		{"192.0.2.1:5", nil, "192.0.2.1"},
		{"192.0.2.1:5", []string{"203.0.113.9"}, "192.0.2.1"},
		{"10.0.0.1:5", nil, "10.0.0.1"},
		{"10.0.0.1:5", []string{"203.0.113.9"}, "203.0.113.9"},
		{"10.0.0.1:5", []string{"1.1.1.1, 203.0.113.9"}, "203.0.113.9"},
		{"10.0.0.1:5", []string{"1.1.1.1, 203.0.113.9, 10.2.3.4"}, "203.0.113.9"},
		{"10.0.0.1:5", []string{"1.1.1.1", "203.0.113.9"}, "203.0.113.9"},
		{"10.0.0.1:5", []string{"10.1.1.1"}, "10.1.1.1"},
		{"10.0.0.1:5", []string{"rubbish"}, "10.0.0.1"},
		{"10.0.0.1:5", []string{"rubbish, 203.0.113.9"}, "203.0.113.9"},
		{"[::ffff:10.0.0.1]:5", []string{"2001:db8::1"}, "2001:db8::1"},
		{"[fd00::1]:5", []string{"::ffff:203.0.113.9"}, "203.0.113.9"},
		{"pipe", []string{"203.0.113.9"}, "invalid IP"},
	} {
		if got := proxies.Client(tt.peer, tt.forwarded).String(); got != tt.want {
			t.Errorf("peer %s, forwarded %q: got %s, want %s", tt.peer, tt.forwarded, got, tt.want)
		}
	}
	for peer, want := range map[string]bool{"10.0.0.1:5": true, "192.0.2.1:5": false, "pipe": false} {
		if got := proxies.Trust(peer); got != want {
			t.Errorf("trust in %s: got %v, want %v", peer, got, want)
		}
	}
}
