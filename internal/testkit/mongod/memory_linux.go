package mongod

import "syscall"

// memoryFolder returns a folder in memory with room for the data of tests; empty where there is
// none.
func memoryFolder() string {
	const folder, room = "/dev/shm", 2 << 30
	var s syscall.Statfs_t
	if err := syscall.Statfs(folder, &s); err != nil || s.Bavail*uint64(s.Bsize) < room {
		return ""
	}
	return folder
}
