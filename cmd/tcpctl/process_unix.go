//go:build unix

package main

import (
	"os/exec"
	"syscall"
)

// ownSession lets a command outlive this process and its terminal.
func ownSession(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} }

func processAlive(pid int) bool { return syscall.Kill(pid, 0) != syscall.ESRCH }
