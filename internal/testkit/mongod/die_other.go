//go:build !linux

package mongod

import "syscall"

// dieTogether does nothing: only Linux kills children together with their parent.
func dieTogether() *syscall.SysProcAttr { return nil }
