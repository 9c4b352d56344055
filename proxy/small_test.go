package proxy

import (
	"testing"
	"unsafe"

	"github.com/tcpctl/tcpctl/proxy/relay"
)

// TestAnIdleSessionIsSmall: on the loop it consists of these three values and its part
// of tables. Go's allocator rounds up to 384, 416, 448, and to 128, 144, 160: one more
// field can cost 32 bytes for each of 100,000 clients. The goal is at most 1 KiB of
// resident memory, a quarter of which is tables and uncollected garbage.
func TestAnIdleSessionIsSmall(t *testing.T) {
	if unsafe.Sizeof(uintptr(0)) != 8 {
		t.Skip("the numbers are for 64-bit systems")
	}
	if n := unsafe.Sizeof(Session{}); n > 416 {
		t.Errorf("a Session has %d bytes", n)
	}
	if n := unsafe.Sizeof(relay.Side{}); n > 144 {
		t.Errorf("a Side has %d bytes", n)
	}
}
