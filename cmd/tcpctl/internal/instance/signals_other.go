//go:build !unix

package instance

import "os"

// These systems have no SIGUSR1 and SIGUSR2: no signal reopens logs or upgrades.
func notifyReopen(chan<- os.Signal)  {}
func notifyUpgrade(chan<- os.Signal) {}

// platformNote tells operators what differs from other systems.
const platformNote = "this system has no signals HUP, USR1 and USR2 and no upgrade: use tcpctl reload; to replace the binary, stop and start it"
