package proxy

import (
	"testing"
	"unsafe"

	"github.com/tcpctl/tcpctl/proxy/relay"
)

// TestAnIdleSessionIsSmall: on the loop it is these three, and the tables'
// part. Go's allocator rounds up to 384, 416, 448, and to 128, 144, 160: one
// field more can be 32 bytes for each of 100,000 clients. No more
// than 1 KiB of resident memory is wanted, a quarter of which goes to tables
// and to garbage that is not collected yet.
func TestAnIdleSessionIsSmall(t *testing.T) {
	if unsafe.Sizeof(uintptr(0)) != 8 {
		t.Skip("the numbers are those of 64 bits")
	}
	if n := unsafe.Sizeof(Session{}); n > 416 {
		t.Errorf("a Session has %d bytes", n)
	}
	if n := unsafe.Sizeof(relay.Side{}); n > 144 {
		t.Errorf("a Side has %d bytes", n)
	}
}
