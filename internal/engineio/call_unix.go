//go:build unix && (!linux || 386 || race)

package engineio

import (
	"errors"
	"syscall"
)

// sysRead and sysWrite read from a descriptor and write to one, which do not wait. The race
// detector learns from package syscall that what is read comes after it was written.

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
