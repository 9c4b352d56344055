//go:build !unix

package ws

import (
	"errors"
	"syscall"
)

// On other systems (Windows) reads and writes always block: an idle connection has
// a block of 1 KiB, and the answer to a control frame is written by a goroutine of
// its own.
const canReadNow = false

var errWouldBlock = errors.New("ws: would block")

func readNow(uintptr, []byte) (int, error)          { return 0, errWouldBlock }
func writeNow(syscall.RawConn, []byte) (int, error) { return 0, nil }
