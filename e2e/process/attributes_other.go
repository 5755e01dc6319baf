//go:build unix && !linux

package process

import "syscall"

// Attributes puts a process into a group of its own, so that a Ctrl-C is
// ours to handle and plugins can be stopped with their server.
func Attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true}
}
