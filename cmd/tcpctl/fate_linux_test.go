package main

import (
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/upgrade"
)

// upgradeFate makes a process of an instance die or stop at a stage of each upgrade: "old go die",
// "new ready halt".
const upgradeFate = "TCPCTL_TEST_UPGRADE"

// fateOfUpgrades applies upgradeFate in the processes that tests start.
func fateOfUpgrades() {
	words := strings.Fields(os.Getenv(upgradeFate))
	if len(words) != 3 {
		return
	}
	upgrade.Observe = func(old bool, at string) {
		if old != (words[0] == "old") || at != words[1] {
			return
		}
		if words[2] == "halt" {
			syscall.Kill(os.Getpid(), syscall.SIGSTOP)
			time.Sleep(10 * time.Millisecond) // this thread may still run for a moment
			return
		}
		syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {}
	}
}
