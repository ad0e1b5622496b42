package socketio

import "net"

// pending counts the transports without a socket, handshakes included, in all and by
// address.
type pending struct {
	all int
	of  map[string]int
}

func (p *pending) add(address string, change int) {
	p.all += change
	if p.of[address] += change; p.of[address] == 0 {
		delete(p.of, address)
	}
}

// remoteHost returns the IP address of a connection.
func remoteHost(remoteAddr string, _ []string) string {
	host, _, err := net.SplitHostPort(remoteAddr)
	if err != nil {
		return remoteAddr
	}
	return host
}
