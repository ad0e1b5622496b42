// Package oracle has no code but tests: they compare the packet codec of package socketio
// with that of another implementation, which the product does not depend on.
package oracle
