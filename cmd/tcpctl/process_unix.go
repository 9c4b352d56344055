//go:build unix

package main

import (
	"os"
	"os/exec"
	"os/signal"
	"syscall"
)

// ownSession lets a command outlive our terminal, and us.
func ownSession(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} }

func processAlive(pid int) bool { return syscall.Kill(pid, 0) != syscall.ESRCH }

func notifyUpgrade(c chan<- os.Signal) { signal.Notify(c, syscall.SIGUSR2) }

func notifyReopen(c chan<- os.Signal) { signal.Notify(c, syscall.SIGUSR1) }

// platformNote is empty: all that the documents say holds here.
const platformNote = ""
