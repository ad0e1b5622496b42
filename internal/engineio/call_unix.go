//go:build unix && (!linux || 386)

package engineio

import (
	"errors"
	"syscall"
)

// sysRead and sysWrite read from a descriptor and write to one, which do not wait.

func sysRead(fd uintptr, b []byte) (int, syscall.Errno) {
	n, err := syscall.Read(int(fd), b)
	return n, number(err)
}

func sysWrite(fd uintptr, b []byte) (int, syscall.Errno) {
	n, err := syscall.Write(int(fd), b)
	return n, number(err)
}

// number returns the number of an error of the system; 0 for none.
func number(err error) syscall.Errno {
	errno, ok := errors.AsType[syscall.Errno](err)
	if err != nil && !ok {
		return syscall.EIO
	}
	return errno
}
