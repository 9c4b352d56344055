//go:build !unix

package instance

import "os"

// There is no USR1 and no USR2 here: no signal reopens logs or upgrades.
func notifyReopen(chan<- os.Signal)  {}
func notifyUpgrade(chan<- os.Signal) {}

// platformNote is what an operator used to another system should know.
const platformNote = "this system has no signals HUP, USR1 and USR2 and no upgrade: use tcpctl reload; to replace the binary, stop and start it"
