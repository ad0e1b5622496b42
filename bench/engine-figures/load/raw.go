package load

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// The calls here never wait, so that the scheduler of Go need not be told of them, and are made for
// sockets alone.

// readNow reads what is there. The error is EAGAIN when nothing is.
func readNow(fd int, b []byte) (int, error) { return call(unix.SYS_RECVFROM, fd, b, unix.MSG_DONTWAIT) }

// writeNow writes what the system takes. The error is EAGAIN when that is nothing.
func writeNow(fd int, b []byte) (int, error) {
	return call(unix.SYS_SENDTO, fd, b, unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL)
}

func call(trap uintptr, fd int, b []byte, flags uintptr) (int, error) {
	n, _, errno := unix.RawSyscall6(trap, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)), flags, 0, 0)
	if errno != 0 {
		return 0, errno
	}
	return int(n), nil
}

// pollNow returns how many events there are now.
func pollNow(epoll int, events []unix.EpollEvent) (int, error) {
	n, _, errno := unix.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(epoll), uintptr(unsafe.Pointer(unsafe.SliceData(events))), uintptr(len(events)), 0, 0, 0)
	if errno != 0 {
		return 0, errno
	}
	return int(n), nil
}
