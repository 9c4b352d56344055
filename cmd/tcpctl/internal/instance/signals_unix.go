//go:build unix

package instance

import (
	"os"
	"os/signal"
	"syscall"
)

func notifyUpgrade(c chan<- os.Signal) { signal.Notify(c, syscall.SIGUSR2) }

func notifyReopen(c chan<- os.Signal) { signal.Notify(c, syscall.SIGUSR1) }

// platformNote is empty: everything in the documents applies.
const platformNote = ""
