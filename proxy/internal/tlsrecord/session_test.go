package tlsrecord

import (
	"bytes"
	"crypto/rand"
	"crypto/tls"
	"encoding/hex"
	"fmt"
	"io"
	"strings"
	"testing"
	"unsafe"
)

// pair returns a server's and a client's ends of one connection.
func pair(t testing.TB, suite *suite) (server, client *Session) {
	t.Helper()
	a, b := make([]byte, suite.hashLen), make([]byte, suite.hashLen)
	rand.Read(a)
	rand.Read(b)
	server, err := newSession(suite, a, b, false)
	if err != nil {
		t.Fatal(err)
	}
	if client, err = newSession(suite, b, a, true); err != nil {
		t.Fatal(err)
	}
	return server, client
}

// eachSuite runs a test with the two ends of a connection of each cipher suite.
func eachSuite(t *testing.T, test func(t *testing.T, server, client *Session)) {
	for i := range suites {
		t.Run(tls.CipherSuiteName(suites[i].id), func(t *testing.T) {
			server, client := pair(t, &suites[i])
			test(t, server, client)
		})
	}
}

// openAll opens records, which must be complete.
func openAll(t testing.TB, s *Session, records []byte) []byte {
	t.Helper()
	plain, err := tryOpen(s, records)
	if err != nil {
		t.Fatal(err)
	}
	return plain
}

// tryOpen opens records until the error, if any.
func tryOpen(s *Session, records []byte) (all []byte, err error) {
	room := make([]byte, 0, MaxPlain)
	for {
		plain, used, err := s.Open(room, records)
		all, records = append(all, plain...), records[used:]
		if err != nil || used == 0 {
			return all, err
		}
	}
}

func TestWhatIsSealedIsOpened(t *testing.T) {
	eachSuite(t, func(t *testing.T, server, client *Session) {
		for _, n := range []int{1, 2, 100, maxContent - 1, maxContent, maxContent + 1, 3*maxContent + 5} {
			want := make([]byte, n)
			rand.Read(want)
			for _, ends := range [][2]*Session{{server, client}, {client, server}} {
				if got := openAll(t, ends[1], ends[0].Seal(nil, want)); !bytes.Equal(got, want) {
					t.Errorf("%d bytes arrived as %d other bytes", n, len(got))
				}
			}
		}
	})
}

func TestSealAppendsAndOpenAppends(t *testing.T) {
	server, client := pair(t, &suites[0])
	records := client.Seal([]byte("in front"), []byte("data"))
	if !bytes.HasPrefix(records, []byte("in front")) {
		t.Fatalf("Seal overwrote what was there: %q", records[:8])
	}
	room := append(make([]byte, 0, 100+MaxPlain), "before "...)
	if got, _, err := server.Open(room, records[8:]); string(got) != "before data" || err != nil {
		t.Errorf("Open: %q, %v", got, err)
	}
}

func TestARecordInPiecesWaitsForTheRest(t *testing.T) {
	server, client := pair(t, &suites[0])
	want := []byte("one byte at a time")
	records := client.Seal(nil, want)
	var kept, got []byte
	for i, b := range records {
		kept = append(kept, b)
		plain, used, err := server.Open(make([]byte, 0, MaxPlain), kept)
		if err != nil {
			t.Fatal(err)
		}
		if (used > 0) != (i == len(records)-1) {
			t.Fatalf("%d of %d bytes: used %d", i+1, len(records), used)
		}
		got, kept = append(got, plain...), kept[used:]
	}
	if !bytes.Equal(got, want) {
		t.Errorf("got %q", got)
	}
}

func TestOpenStopsWhereThereIsNoRoom(t *testing.T) {
	server, client := pair(t, &suites[0])
	records := client.Seal(client.Seal(nil, make([]byte, 100)), make([]byte, 101))
	plain, used, err := server.Open(make([]byte, 0, 150), records)
	if len(plain) != 100 || used != RecordLen(records) || err != nil {
		t.Fatalf("%d bytes of %d, %v", len(plain), used, err)
	}
	if plain, _, err = server.Open(make([]byte, 0, 150), records[used:]); len(plain) != 101 || err != nil {
		t.Errorf("then %d bytes, %v", len(plain), err)
	}
}

func TestOverheadAndFits(t *testing.T) {
	client, _ := pair(t, &suites[0])
	for _, n := range []int{0, 1, 1000, maxContent, maxContent + 1, 4 * maxContent, 100_000} {
		client.owed = true
		if got, most := len(client.Seal(nil, make([]byte, n))), n+Overhead(n); got > most {
			t.Errorf("%d bytes are sealed into %d, more than %d", n, got, most)
		}
	}
	for size := 0; size < 5*maxContent; size += 7 {
		if n := Fits(size); n > 0 && n+Overhead(n) > size {
			t.Fatalf("%d bytes do not fit into %d", n, size)
		} else if n := n + 1 + overhead; n+Overhead(n) <= size {
			t.Fatalf("%d bytes would fit into %d, too", n, size)
		}
	}
}

func TestOpenAndSealAllocateNothing(t *testing.T) {
	eachSuite(t, func(t *testing.T, server, client *Session) {
		plain, sealed, opened := make([]byte, 20_000), make([]byte, 0, 64<<10), make([]byte, 0, 64<<10)
		if n := testing.AllocsPerRun(100, func() {
			records := client.Seal(sealed, plain)
			if got, used, err := server.Open(opened, records); len(got) != len(plain) || used != len(records) || err != nil {
				t.Fatal(len(got), used, err)
			}
		}); n != 0 {
			t.Errorf("%v allocations", n)
		}
	})
}

func TestASessionIsSmall(t *testing.T) {
	if n := unsafe.Sizeof(Session{}); n > 288 {
		t.Errorf("a Session has %d bytes", n)
	}
}

// record is a record of any content: kind, content, padding.
func record(s *Session, kind byte, content string, padding int) []byte {
	return s.out.sealAs(kind, []byte(content), padding)
}

// sealAs is seal without its limits, with padding, and with an inner plaintext that may
// have no type: kind 0 and no content.
func (d *direction) sealAs(kind byte, content []byte, padding int) []byte {
	inner := append(bytes.Clone(content), kind)
	inner = append(inner, make([]byte, padding)...)
	n := len(inner) + tagLen
	header := []byte{typeData, 3, 3, byte(n >> 8), byte(n)}
	r := d.aead.Seal(header, d.nextNonce(), inner, header)
	d.seq++
	return r
}

// TestWhatAPeerMayNotSend has each violation and its alert; data before it is
// delivered, and data after it is not.
func TestWhatAPeerMayNotSend(t *testing.T) {
	tests := []struct {
		name  string
		make  func(s *Session) []byte
		alert tls.AlertError
	}{
		{"a plaintext alert", func(s *Session) []byte { return []byte{typeAlert, 3, 3, 0, 2, 2, 80} }, alertUnexpectedMessage},
		{"change_cipher_spec", func(s *Session) []byte { return []byte{20, 3, 3, 0, 1, 1} }, alertUnexpectedMessage},
		{"another version", func(s *Session) []byte { r := s.Seal(nil, []byte("x")); r[2] = 1; return r }, alertProtocolVersion},
		{"a record that is too long", func(s *Session) []byte { return []byte{typeData, 3, 3, 0x41, 0x01} }, alertRecordOverflow},
		{"content that is too long", func(s *Session) []byte { return record(s, typeData, strings.Repeat("x", maxContent+1), 0) }, alertRecordOverflow},
		{"padding that is too long", func(s *Session) []byte { return record(s, typeData, "x", maxContent) }, alertRecordOverflow},
		{"no room for a tag", func(s *Session) []byte { return []byte{typeData, 3, 3, 0, 1, 1} }, alertBadRecordMAC},
		{"an empty record", func(s *Session) []byte { return []byte{typeData, 3, 3, 0, 0} }, alertBadRecordMAC},
		{"a flipped bit", func(s *Session) []byte { r := s.Seal(nil, []byte("x")); r[7] ^= 4; return r }, alertBadRecordMAC},
		{"a flipped bit of the tag", func(s *Session) []byte { r := s.Seal(nil, []byte("x")); r[len(r)-1] ^= 1; return r }, alertBadRecordMAC},
		{"a record again", func(s *Session) []byte { r := record(s, typeData, "", 0); return append(bytes.Clone(r), r...) }, alertBadRecordMAC},
		{"a record left out", func(s *Session) []byte { s.Seal(nil, []byte("x")); return s.Seal(nil, []byte("y")) }, alertBadRecordMAC},
		{"no type", func(s *Session) []byte { return record(s, 0, "", 0) }, alertUnexpectedMessage},
		{"padding only", func(s *Session) []byte { return record(s, 0, "", 500) }, alertUnexpectedMessage},
		{"another type", func(s *Session) []byte { return record(s, 24, "x", 0) }, alertUnexpectedMessage},
		{"an encrypted change_cipher_spec", func(s *Session) []byte { return record(s, 20, "\x01", 0) }, alertUnexpectedMessage},
		{"an empty alert", func(s *Session) []byte { return record(s, typeAlert, "", 0) }, alertUnexpectedMessage},
		{"two alerts in a record", func(s *Session) []byte { return record(s, typeAlert, "\x01\x5a\x01\x00", 0) }, alertUnexpectedMessage},
		{"an empty handshake record", func(s *Session) []byte { return record(s, typeHandshake, "", 3) }, alertUnexpectedMessage},
		{"a client's session ticket", func(s *Session) []byte { return record(s, typeHandshake, "\x04\x00\x00\x01x", 0) }, alertUnexpectedMessage},
		{"a client hello", func(s *Session) []byte { return record(s, typeHandshake, "\x01\x00\x00\x01x", 0) }, alertUnexpectedMessage},
		{"the first byte of a client's certificate", func(s *Session) []byte { return record(s, typeHandshake, "\x0b", 0) }, alertUnexpectedMessage},
		{"a key update of no length", func(s *Session) []byte { return record(s, typeHandshake, "\x18\x00\x00\x00", 0) }, alertDecodeError},
		{"a key update that is too long", func(s *Session) []byte { return record(s, typeHandshake, "\x18\x00\x00\x02\x00\x00", 0) }, alertDecodeError},
		{"a key update that asks for something else", func(s *Session) []byte { return record(s, typeHandshake, "\x18\x00\x00\x01\x02", 0) }, alertIllegalParameter},
		{"two key updates in a record", func(s *Session) []byte { return record(s, typeHandshake, strings.Repeat("\x18\x00\x00\x01\x00", 2), 0) }, alertUnexpectedMessage},
		{"data within a key update", func(s *Session) []byte {
			return append(record(s, typeHandshake, "\x18\x00", 0), s.Seal(nil, []byte("x"))...)
		}, alertUnexpectedMessage},
		{"an alert within a key update", func(s *Session) []byte {
			return append(record(s, typeHandshake, "\x18\x00\x00\x01", 0), s.CloseNotify(nil)...)
		}, alertUnexpectedMessage},
		{"the old keys after a key update", func(s *Session) []byte {
			return append(record(s, typeHandshake, "\x18\x00\x00\x01\x00", 0), s.Seal(nil, []byte("x"))...)
		}, alertBadRecordMAC},
		{"17 empty records", func(s *Session) []byte {
			return bytes.Join(repeat(17, func() []byte { return record(s, typeData, "", 1) }), nil)
		}, alertUnexpectedMessage},
		{"17 alerts without a meaning", func(s *Session) []byte {
			return bytes.Join(repeat(17, func() []byte { return record(s, typeAlert, "\x01\x5a", 0) }), nil)
		}, alertUnexpectedMessage},
		{"17 key updates", func(s *Session) []byte { return bytes.Join(repeat(17, func() []byte { return update(s, 1) }), nil) }, alertUnexpectedMessage},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			server, client := pair(t, &suites[0])
			records := client.Seal(nil, []byte("before"))
			records = append(records, test.make(client)...)
			records = append(records, client.Seal(nil, []byte("behind"))...)
			got, err := tryOpen(server, records)
			if string(got) != "before" {
				t.Errorf("%q was delivered", got)
			}
			if a, ok := AlertOf(err); !ok || a != uint8(test.alert) {
				t.Errorf("got %v, want %v", err, test.alert)
			}
			if plain, _, again := server.Open(make([]byte, 0, MaxPlain), client.Seal(nil, []byte("more"))); len(plain) > 0 || again != err {
				t.Errorf("then %q, %v", plain, again)
			}
			// The peer reads the alert, and nothing after it.
			a, _ := AlertOf(err)
			_, err = tryOpen(client, server.Seal(server.Alert(nil, a), []byte("x")))
			if want := fmt.Sprint("remote error: ", test.alert); err == nil || err.Error() != want {
				t.Errorf("the peer reads %v, want %s", err, want)
			}
			if _, ok := AlertOf(err); ok {
				t.Error("the peer would answer an alert with an alert")
			}
		})
	}
}

func repeat(n int, make func() []byte) (all [][]byte) {
	for range n {
		all = append(all, make())
	}
	return all
}

// update is a key update, which may ask for the peer's update.
func update(s *Session, request byte) []byte {
	r := record(s, typeHandshake, "\x18\x00\x00\x01"+string(request), 0)
	s.out.update(s.suite)
	return r
}

func TestPaddingAndEmptyRecordsAreNotSeen(t *testing.T) {
	eachSuite(t, func(t *testing.T, server, client *Session) {
		var records []byte
		for range 40 { // as long as data comes between
			for range maxIgnored {
				records = append(records, record(client, typeData, "", 7)...)
			}
			records = append(records, record(client, typeData, "data", maxContent-4)...)
		}
		if got := openAll(t, server, records); string(got) != strings.Repeat("data", 40) {
			t.Errorf("got %q", got)
		}
	})
}

func TestZerosAtTheEndOfDataAreNoPadding(t *testing.T) {
	server, client := pair(t, &suites[0])
	want := []byte("data\x00\x00\x00")
	if got := openAll(t, server, client.Seal(nil, want)); !bytes.Equal(got, want) {
		t.Errorf("got %q", got)
	}
}

func TestKeyUpdates(t *testing.T) {
	eachSuite(t, func(t *testing.T, server, client *Session) {
		for i := range 50 {
			request := byte(i % 2)
			records := client.Seal(nil, []byte("old "))
			records = append(records, update(client, request)...)
			records = append(records, client.Seal(nil, []byte("new"))...)
			if got := openAll(t, server, records); string(got) != "old new" {
				t.Fatalf("%d: got %q", i, got)
			}
			if server.Pending() != (request == 1) {
				t.Fatalf("%d: Pending: %v", i, server.Pending())
			}
			var answer []byte
			if i%4 == 1 { // alone, or before data
				if answer = server.AppendControl(nil); len(answer) == 0 || server.Pending() {
					t.Fatalf("%d: no answer", i)
				}
			}
			answer = server.Seal(answer, []byte("answer"))
			if got := openAll(t, client, answer); string(got) != "answer" {
				t.Fatalf("%d: got %q", i, got)
			}
			if client.Pending() {
				t.Fatalf("%d: an answer asks for an answer", i)
			}
		}
	})
}

func TestOneAnswerIsEnoughForSeveralKeyUpdates(t *testing.T) {
	server, client := pair(t, &suites[0])
	openAll(t, server, bytes.Join(repeat(10, func() []byte { return update(client, 1) }), nil))
	answer := server.AppendControl(nil)
	if len(answer) != RecordLen(answer) || len(server.AppendControl(nil)) > 0 {
		t.Errorf("the answer has %d bytes, its first record %d", len(answer), RecordLen(answer))
	}
	if got := openAll(t, client, server.Seal(answer, []byte("data"))); string(got) != "data" {
		t.Errorf("got %q", got)
	}
}

// TestAPeerThatOnlyReceivesUpdatesItsKeys as often as it likes: clients do so after a
// number of bytes received, too.
func TestAPeerThatOnlyReceivesUpdatesItsKeys(t *testing.T) {
	eachSuite(t, func(t *testing.T, server, client *Session) {
		for n := range 3 * maxIgnored {
			if got := openAll(t, client, server.Seal(nil, []byte("bulk"))); string(got) != "bulk" {
				t.Fatalf("got %q", got)
			}
			openAll(t, server, update(client, byte(n&1)))
		}
	})
}

func TestAKeyUpdateMayComeInPieces(t *testing.T) {
	server, client := pair(t, &suites[0])
	var records []byte
	for _, b := range "\x18\x00\x00\x01\x01" {
		records = append(records, record(client, typeHandshake, string(b), 2)...)
	}
	client.out.update(client.suite)
	records = client.Seal(records, []byte("data"))
	if got := openAll(t, server, records); string(got) != "data" || !server.Pending() {
		t.Errorf("got %q, Pending: %v", got, server.Pending())
	}
}

// TestOurKeysAreUpdatedInTime sets the numbers of both ends to just before the limit.
func TestOurKeysAreUpdatedInTime(t *testing.T) {
	eachSuite(t, func(t *testing.T, server, client *Session) {
		server.out.seq, client.in.seq = updateAfter-2, updateAfter-2
		secret := server.out.secret
		want := make([]byte, 5*maxContent)
		rand.Read(want)
		records := server.Seal(nil, want)
		if most := len(want) + Overhead(len(want)); len(records) > most {
			t.Errorf("%d bytes, more than %d", len(records), most)
		}
		if got := openAll(t, client, records); !bytes.Equal(got, want) {
			t.Error("other bytes arrived")
		}
		if server.out.secret == secret || server.out.seq != 3 || client.Pending() {
			t.Errorf("no new keys: number %d, Pending %v", server.out.seq, client.Pending())
		}
	})
}

func TestAClientPassesOverSessionTickets(t *testing.T) {
	server, client := pair(t, &suites[0])
	ticket := "\x04\x00\x12\x34" + strings.Repeat("t", 0x1234)
	records := record(server, typeHandshake, ticket+ticket[:3], 0)
	records = append(records, record(server, typeHandshake, ticket[3:2000], 0)...)
	records = append(records, record(server, typeHandshake, ticket[2000:]+"\x18\x00\x00\x01\x01", 0)...)
	server.out.update(server.suite)
	records = server.Seal(records, []byte("data"))
	if got := openAll(t, client, records); string(got) != "data" || !client.Pending() {
		t.Errorf("got %q, Pending: %v", got, client.Pending())
	}
}

func TestWhatAServerMayNotSend(t *testing.T) {
	for name, test := range map[string]struct {
		content string
		alert   tls.AlertError
	}{
		"a request for a certificate": {"\x0d\x00\x00\x01x", alertUnexpectedMessage},
		"a hello request":             {"\x00\x00\x00\x00", alertUnexpectedMessage},
		"an endless session ticket":   {"\x04\xff\xff\xffx", alertDecodeError},
	} {
		t.Run(name, func(t *testing.T) {
			server, client := pair(t, &suites[0])
			_, err := tryOpen(client, record(server, typeHandshake, test.content, 0))
			if a, ok := AlertOf(err); !ok || a != uint8(test.alert) {
				t.Errorf("got %v, want %v", err, test.alert)
			}
		})
	}
}

func TestEndsOfAStream(t *testing.T) {
	server, client := pair(t, &suites[0])
	records := client.CloseNotify(client.Seal(nil, []byte("last")))
	if more := client.Seal(client.CloseNotify(client.Alert(nil, 80)), []byte("x")); len(more) > 0 {
		t.Errorf("%d bytes were sent after a close_notify", len(more))
	}
	got, err := tryOpen(server, append(records, "what follows is ignored"...))
	if string(got) != "last" || err != io.EOF {
		t.Errorf("got %q, %v", got, err)
	}
	// The other direction continues.
	if got := openAll(t, client, server.Seal(nil, []byte("answer"))); string(got) != "answer" {
		t.Errorf("got %q", got)
	}
	openAll(t, client, update(server, 1))
	if client.Pending() || len(client.AppendControl(nil)) > 0 {
		t.Error("a key update is pending after a close_notify")
	}
}

// TestRecordsOfRFC8448 has those of section 3, whose secrets are printed there:
// application data and close_notify from the client, and from the server after its
// session ticket.
func TestRecordsOfRFC8448(t *testing.T) {
	unhex := func(text string) []byte {
		b, err := hex.DecodeString(strings.ReplaceAll(text, " ", ""))
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	clientSecret := unhex("9e40646ce79a7f9dc05af8889bce6552875afa0b06df0087f792ebb7c17504a5")
	serverSecret := unhex("a11af9f05531f856ad47116b45a950328204b4f44bfb6b3a4b4f1f3fcb631643")
	fromClient := unhex("17 03 03 00 43 a2 3f 70 54 b6 2c 94 d0 af fa fe 82 28 ba 55 cb ef ac ea 42 f9 14 aa 66 bc ab 3f 2b 98 19 a8 a5 b4 6b 39 5b d5 4a 9a 20 44 1e 2b 62 97 4e 1f 5a 62 92 a2 97 70 14 bd 1e 3d ea e6 3a ee bb 21 69 49 15 e4" +
		"17 03 03 00 13 c9 87 27 60 65 56 66 b7 4d 7f f1 15 3e fd 6d b6 d0 b0 e3")
	fromServer := unhex("17 03 03 00 43 2e 93 7e 11 ef 4a c7 40 e5 38 ad 36 00 5f c4 a4 69 32 fc 32 25 d0 5f 82 aa 1b 36 e3 0e fa f9 7d 90 e6 df fc 60 2d cb 50 1a 59 a8 fc c4 9c 4b f2 e5 f0 a2 1c 00 47 c2 ab f3 32 54 0d d0 32 e1 67 c2 95 5d" +
		"17 03 03 00 13 b5 8f d6 71 66 eb f5 99 d2 47 20 cf be 7e fa 7a 88 64 a9")
	data := make([]byte, 50)
	for i := range data {
		data[i] = byte(i)
	}
	server, err := newSession(&suites[0], clientSecret, serverSecret, false)
	if err != nil {
		t.Fatal(err)
	}
	server.out.seq = 1 // the ticket
	if got, err := tryOpen(server, fromClient); !bytes.Equal(got, data) || err != io.EOF {
		t.Errorf("from the client %x, %v", got, err)
	}
	if got := server.CloseNotify(server.Seal(nil, data)); !bytes.Equal(got, fromServer) {
		t.Errorf("the server sends\n%x instead of\n%x", got, fromServer)
	}
}
