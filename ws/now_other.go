//go:build !unix

package ws

import (
	"errors"
	"syscall"
)

// Elsewhere (Windows) a socket is only read and written by waiting: an idle
// session holds a block of a kilobyte, and a control frame that answers the
// peer is written by a goroutine of its own.
const canReadNow = false

var errWouldBlock = errors.New("ws: would block")

func readNow(uintptr, []byte) (int, error)          { return 0, errWouldBlock }
func writeNow(syscall.RawConn, []byte) (int, error) { return 0, nil }
