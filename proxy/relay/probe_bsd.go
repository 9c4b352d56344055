//go:build unix && !linux

package relay

const canProbe = true

// probe looks at a waiting client's socket without taking a byte. An end of
// stream behind bytes cannot be seen here; only Linux tells of it.
func probe(fd uintptr) End {
	if end := peekEnd(fd); end != HalfFIN {
		return end
	}
	return Open
}
