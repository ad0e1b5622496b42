//go:build linux && !386 && !race

package engineio

import (
	"syscall"
	"unsafe"
)

// sysRead and sysWrite read from a socket and write to one, without waiting. They do not tell the
// scheduler of Go, as package syscall would: it would get ready to give the processor to another
// thread, twice for every message, for a call that never waits.

func sysRead(fd uintptr, b []byte) (int, syscall.Errno) {
	return call(syscall.SYS_RECVFROM, fd, b, syscall.MSG_DONTWAIT)
}

func sysWrite(fd uintptr, b []byte) (int, syscall.Errno) {
	return call(syscall.SYS_SENDTO, fd, b, syscall.MSG_DONTWAIT|syscall.MSG_NOSIGNAL)
}

func call(trap, fd uintptr, b []byte, flags uintptr) (int, syscall.Errno) {
	n, _, errno := syscall.RawSyscall6(trap, fd, uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)), flags, 0, 0)
	return int(n), errno
}
