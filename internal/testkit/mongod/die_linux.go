package mongod

import "syscall"

// dieTogether lets a child be killed when the thread that started it is gone, and so when this
// process is.
func dieTogether() *syscall.SysProcAttr { return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }
