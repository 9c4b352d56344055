//go:build !unix

package main

import (
	"os"
	"os/exec"
)

// There are no sessions here: the command hears our terminal's interrupts.
func ownSession(*exec.Cmd) {}

func processAlive(int) bool { return true }

// There is no USR1 here: logs are not reopened by a signal.
func notifyReopen(chan<- os.Signal) {}
