package limit

import (
	"net/netip"
	"strings"
)

// AddressKey returns the key by which an address is counted: an IPv4 address alone, and a /64
// network of IPv6, because one customer has all of it.
func AddressKey(a netip.Addr) string {
	a = a.Unmap().WithZone("")
	if a.Is6() {
		if p, err := a.Prefix(64); err == nil {
			return p.Masked().String()
		}
	}
	return a.String()
}

// Proxies are the networks of the proxies that are believed about whom they speak for.
type Proxies []netip.Prefix

// Client returns the address of the client behind a connection: that of its peer, or, where
// the peer is one of the proxies, the last address that was forwarded and is none. remoteAddr
// is an address and a port; forwarded are the values of X-Forwarded-For, as they came.
func (p Proxies) Client(remoteAddr string, forwarded []string) netip.Addr {
	at := peer(remoteAddr)
	if !p.contain(at) {
		return at
	}
	hops := strings.Split(strings.Join(forwarded, ","), ",")
	for i := len(hops) - 1; i >= 0; i-- {
		hop, err := netip.ParseAddr(strings.TrimSpace(hops[i]))
		if err != nil {
			break
		}
		if at = hop.Unmap(); !p.contain(at) {
			break
		}
	}
	return at
}

// Trust reports whether the peer of a connection is one of the proxies.
func (p Proxies) Trust(remoteAddr string) bool { return p.contain(peer(remoteAddr)) }

func (p Proxies) contain(at netip.Addr) bool {
	for _, prefix := range p {
		if prefix.Contains(at) {
			return true
		}
	}
	return false
}

// peer returns the address of a connection; the zero one where it has none, as a pipe has.
func peer(remoteAddr string) netip.Addr {
	at, err := netip.ParseAddrPort(remoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	return at.Addr().Unmap()
}
