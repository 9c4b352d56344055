package health

import (
	"bytes"
	"fmt"
	"net"
	"time"
)

// maxAnswer bounds how much is read in search of the answer.
const maxAnswer = 64 << 10

// sendExpect sends over the established connection, and reads until the expected answer
// has arrived.
func (c Check) sendExpect(conn net.Conn, rtt time.Duration) Result {
	defer c.hangUp(conn)
	if _, err := conn.Write([]byte(c.Send)); err != nil {
		return failed(err)
	}
	var heard []byte
	part := make([]byte, 4<<10)
	for len(heard) < maxAnswer {
		n, err := conn.Read(part)
		heard = append(heard, part[:n]...)
		if bytes.Contains(heard, []byte(c.Want)) {
			return Result{OK: true, Detail: fmt.Sprintf("said %s", quote(c.Want)), RTT: rtt}
		}
		if err != nil && len(heard) == 0 {
			return failed(err)
		}
		if err != nil {
			break
		}
	}
	return Result{Detail: fmt.Sprintf("said %s, wants %s", quote(string(heard)), quote(c.Want))}
}

// quote returns as much of an answer as fits into a line.
func quote(s string) string {
	if len(s) > 32 {
		return fmt.Sprintf("%q...", s[:32])
	}
	return fmt.Sprintf("%q", s)
}
