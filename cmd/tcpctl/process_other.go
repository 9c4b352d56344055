//go:build !unix

package main

import (
	"os"
	"os/exec"
)

// There are no sessions here: the command hears our terminal's interrupts.
func ownSession(*exec.Cmd) {}

func processAlive(int) bool { return true }

// There is no USR1 and no USR2 here: no signal reopens logs or upgrades.
func notifyReopen(chan<- os.Signal)  {}
func notifyUpgrade(chan<- os.Signal) {}
