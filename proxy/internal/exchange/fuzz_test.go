package exchange

import "testing"

// FuzzWatch: whatever both sides send and however it is split, the reader does not
// panic, keeps nothing that it has read, and reaches the same state.
func FuzzWatch(f *testing.F) {
	f.Add(true, []byte(hello("user", "ana")+query), []byte(welcome+rows+ready), uint8(3))
	f.Add(true, []byte(startup(pgSSLRequest, "")), []byte("S"), uint8(1))
	f.Add(true, []byte(hello("user", "ana")+extended+synced), []byte(welcome+bound+pg('G', "\x00")), uint8(7))
	f.Add(false, []byte(cmd("MULTI")+cmd("EXEC")+"PING\r\n"), []byte("+OK\r\n*1\r\n|1\r\n+a\r\n:1\r\n$1\r\nv\r\n"), uint8(2))
	f.Fuzz(func(t *testing.T, postgres bool, client, backend []byte, cut uint8) {
		protocol := "redis"
		if postgres {
			protocol = "postgres"
		}
		whole, parts := New(protocol), New(protocol)
		whole.Client(client)
		whole.Backend(backend)
		inParts(client, int(cut)+1, parts.Client)
		inParts(backend, int(cut)+1, parts.Backend)
		a, _ := whole.State()
		b, _ := parts.State()
		if a != b {
			t.Errorf("it is %s as a whole, and %s in parts of %d", a, b, cut+1)
		}
	})
}

func inParts(b []byte, size int, take func([]byte)) {
	for len(b) > 0 {
		n := min(size, len(b))
		take(b[:n])
		b = b[n:]
	}
}
