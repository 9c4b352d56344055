package tlsrecord

import (
	"bytes"
	"testing"
)

// FuzzOpen sends records to a server; the input changes some bytes, removes some, and
// splits the rest. Whatever is delivered must be a prefix of what was sent, and all of
// it if nothing was changed.
func FuzzOpen(f *testing.F) {
	f.Add([]byte("data"), uint16(0), byte(0), uint16(0), uint8(3))
	f.Add(bytes.Repeat([]byte("long"), 8000), uint16(7), byte(1), uint16(9), uint8(200))
	f.Add([]byte("cut"), uint16(0), byte(0), uint16(5), uint8(1))
	f.Fuzz(func(t *testing.T, data []byte, at uint16, flip byte, cut uint16, step uint8) {
		if len(data) > 60_000 {
			return
		}
		for i := range suites {
			server, client := pair(t, &suites[i])
			half := len(data) / 2
			records := client.Seal(nil, data[:half])
			records = append(records, update(client, at8(at))...)
			records = client.CloseNotify(client.Seal(records, data[half:]))
			changed := flip != 0
			records[int(at)%len(records)] ^= flip
			if n := int(cut) % len(records); n > 0 {
				records, changed = records[:len(records)-n], true
			}
			got, err := openInPieces(t, server, records, int(step)+1)
			if !bytes.HasPrefix(data, got) {
				t.Fatalf("%d bytes were delivered that were not sent", len(got))
			}
			if !changed && (len(got) != len(data) || err == nil) {
				t.Fatalf("%d of %d bytes, %v", len(got), len(data), err)
			}
			if a, bad := AlertOf(err); bad && !changed {
				t.Fatalf("alert %d for unchanged records", a)
			}
		}
	})
}

// at8 is a bit of an input, for choices without an input of their own.
func at8(n uint16) byte { return byte(n >> 8 & 1) }

// FuzzOpenContent gives a server and a client authentic records with any types and
// contents.
func FuzzOpenContent(f *testing.F) {
	f.Add([]byte("\x16\x05\x18\x00\x00\x01\x01\x17\x03abc\x15\x02\x01\x00"))
	f.Add([]byte("\x16\x04\x18\x00\x00\x01\x16\x01\x00"))
	f.Add([]byte("\x16\x06\x04\x00\x00\x02ab\x17\x00\x15\x01\x5a\x14\x01\x01"))
	f.Fuzz(func(t *testing.T, script []byte) {
		for _, toClient := range []bool{false, true} {
			to, from := pair(t, &suites[0])
			if toClient {
				to, from = from, to
			}
			var records, want []byte
			for len(script) >= 2 {
				n := min(int(script[1]), len(script)-2)
				content := script[2 : 2+n]
				records = append(records, from.out.sealAs(script[0], content, n%5)...)
				if script[0] == typeData {
					want = append(want, content...)
				}
				script = script[2+n:]
			}
			if got, _ := openInPieces(t, to, records, 37); !bytes.HasPrefix(want, got) {
				t.Fatalf("%q was delivered of %q", got, want)
			}
		}
	})
}

// openInPieces gives records to Open in pieces, as they might come from a socket.
func openInPieces(t *testing.T, s *Session, records []byte, step int) (got []byte, err error) {
	t.Helper()
	var kept []byte
	for len(records) > 0 && err == nil {
		n := min(step, len(records))
		kept, records = append(kept, records[:n]...), records[n:]
		var plain []byte
		var used int
		plain, used, err = s.Open(make([]byte, 0, MaxPlain), kept)
		if used > len(kept) || used < 0 {
			t.Fatalf("Open took %d of %d bytes", used, len(kept))
		}
		got, kept = append(got, plain...), kept[used:]
		if len(kept) >= 2*MaxRecord && err == nil {
			t.Fatalf("%d bytes are kept", len(kept))
		}
	}
	return got, err
}
