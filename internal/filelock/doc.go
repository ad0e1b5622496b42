// Package filelock keeps two processes from using one folder at once.
package filelock
