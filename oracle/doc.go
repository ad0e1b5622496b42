// Package oracle has no code but tests: they compare what packages socketio and engineio make
// of packets with what other implementations do, on which the product does not depend: the
// reference parsers on Node, and a library in Go. What they accept is accepted here with the
// same meaning, and what they refuse is refused; the differences that are meant are listed
// with their reasons.
package oracle
