//go:build !unix

package engineio

import (
	"net"
	"syscall"
)

// rawOf returns nil: connections are read and written by waiting for them.
func rawOf(net.Conn) syscall.RawConn { return nil }

func readNow(uintptr, []byte) (int, bool, error) { return 0, true, syscall.EINVAL }

func writeNow(syscall.RawConn, []byte) (int, error) { return 0, syscall.EINVAL }
