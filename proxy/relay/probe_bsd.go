//go:build unix && !linux

package relay

const canProbe = true

// probe reports whether a waiting client has ended, without taking a byte. Only Linux
// shows an end of stream after unread bytes.
func probe(fd uintptr) End {
	if end := peekEnd(fd); end != HalfFIN {
		return end
	}
	return Open
}
