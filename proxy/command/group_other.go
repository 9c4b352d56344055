//go:build !unix

package command

import "os/exec"

// There are no process groups here: only the program itself is reached.

func ownGroup(*exec.Cmd) {}

func terminate(cmd *exec.Cmd) { cmd.Process.Kill() }

func kill(cmd *exec.Cmd) { cmd.Process.Kill() }
