//go:build unix

package engineio

import (
	"errors"
	"io"
	"net"
	"sync"
	"syscall"
)

// rawOf returns the way to a connection's descriptor, or nil if reading and writing it there
// would pass by what conn does.
func rawOf(conn net.Conn) syscall.RawConn {
	var raw syscall.RawConn
	var err error
	switch c := conn.(type) {
	case *net.TCPConn:
		raw, err = c.SyscallConn()
	case *net.UnixConn:
		raw, err = c.SyscallConn()
	}
	if err != nil {
		return nil
	}
	return raw
}

// readNow reads what is there. It reports false when nothing is.
func readNow(fd uintptr, b []byte) (n int, ready bool, err error) {
	for {
		n, err = syscall.Read(int(fd), b)
		switch {
		case errors.Is(err, syscall.EINTR):
			continue
		case errors.Is(err, syscall.EAGAIN):
			return 0, false, nil
		case err != nil:
			return 0, true, err
		case n == 0:
			return 0, true, io.EOF
		}
		return n, true, nil
	}
}

// A writeOp is one write that does not wait. It is pooled because what is given to a
// syscall.RawConn would be allocated each time.
type writeOp struct {
	b   []byte
	n   int
	err error
	do  func(fd uintptr) bool
}

var writeOps = sync.Pool{New: func() any {
	o := new(writeOp)
	o.do = o.write
	return o
}}

func (o *writeOp) write(fd uintptr) bool {
	for {
		n, err := syscall.Write(int(fd), o.b)
		switch {
		case errors.Is(err, syscall.EINTR):
			continue
		case errors.Is(err, syscall.EAGAIN):
		case err != nil:
			o.err = err
		default:
			o.n = n
		}
		return true
	}
}

// writeNow writes what the network takes without waiting.
func writeNow(raw syscall.RawConn, b []byte) (int, error) {
	o := writeOps.Get().(*writeOp)
	o.b, o.n, o.err = b, 0, nil
	err := raw.Write(o.do)
	n := o.n
	if err == nil {
		err = o.err
	}
	o.b, o.err = nil, nil
	writeOps.Put(o)
	return n, err
}
