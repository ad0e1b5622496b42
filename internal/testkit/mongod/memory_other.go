//go:build !linux

package mongod

func memoryFolder() string { return "" }
