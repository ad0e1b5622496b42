//go:build unix

package engineio

import (
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
		n, errno := sysRead(fd, b)
		switch {
		case errno == syscall.EINTR:
			continue
		case errno == syscall.EAGAIN:
			return 0, false, nil
		case errno != 0:
			return 0, true, errno
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
		n, errno := sysWrite(fd, o.b)
		switch errno {
		case syscall.EINTR:
			continue
		case syscall.EAGAIN:
		case 0:
			o.n = n
		default:
			o.err = errno
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
