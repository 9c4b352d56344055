package ws_test

import (
	"encoding/binary"
	"fmt"
	"strings"
	"testing"

	"github.com/tcpctl/tcpctl/ws"
)

var lengths = []int{0, 1, 2, 124, 125, 126, 127, 128, 255, 1000, 65534, 65535, 65536, 65537, 131072, 300000}

func TestEchoOfEveryLength(t *testing.T) {
	b := startBridge(t, ws.Config{}, echo)
	for _, op := range []byte{text, binry} {
		p := openPeer(t, b.addr)
		for _, n := range lengths {
			payload := strings.Repeat("0123456789abcdef", n/16+1)[:n]
			p.say(frame(fin|op, payload))
			p.wantStream(payload)
		}
		p.say(closeFrame(1000, ""))
		p.wantClose(1000)
	}
}

// However the bytes are split, the stream is the same.
func TestEverySplit(t *testing.T) {
	b := startBridge(t, ws.Config{}, echo)
	all := append(frame(text, "κόσμε"), frame(fin|ping, "p")...)
	all = append(all, frame(cont, "")...)
	all = append(all, frame(fin|cont, "世界")...)
	all = append(all, frame(fin|binry, strings.Repeat("x", 130))...)
	for at := 1; at < len(all); at += 3 {
		p := openPeer(t, b.addr)
		p.say(all[:at])
		p.say(all[at:])
		got, pongs := "", 0
		for want := "κόσμε世界" + strings.Repeat("x", 130); len(got) < len(want); {
			first, payload, err := p.hear()
			if err != nil {
				t.Fatalf("split at %d: %v", at, err)
			}
			if first == fin|pong {
				pongs++
				continue
			}
			if got += string(payload); !strings.HasPrefix(want, got) {
				t.Fatalf("split at %d: %q", at, got)
			}
		}
		if pongs != 1 {
			t.Fatalf("split at %d: %d pongs", at, pongs)
		}
		p.Close()
	}
	p := openPeer(t, b.addr)
	for _, one := range frame(fin|text, "byte by byte") {
		p.say([]byte{one})
	}
	p.wantStream("byte by byte")
}

// Payload is passed on as it arrives, inside a frame and inside a message.
func TestPayloadIsPassedOnAtOnce(t *testing.T) {
	b := startBridge(t, ws.Config{}, echo)
	p := openPeer(t, b.addr)
	whole := frame(fin|binry, strings.Repeat("a", 500)+strings.Repeat("b", 500))
	p.say(whole[:8+500])
	p.wantStream(strings.Repeat("a", 500))
	p.say(whole[8+500:])
	p.wantStream(strings.Repeat("b", 500))
	p.say(frame(text, "first"))
	p.wantStream("first")
	p.say(frame(fin|ping, "between"))
	p.wantFrame(fin|pong, "between")
	p.say(frame(fin|cont, "second"))
	p.wantStream("second")
}

func TestEarlyBytes(t *testing.T) {
	b := startBridge(t, ws.Config{}, echo)
	p, resp := exchange(t, b.addr, request("/")+string(frame(fin|binry, "early"))+string(frame(fin|text, " bird"))[:7])
	if resp.StatusCode != 101 {
		t.Fatal(resp.Status)
	}
	p.say(frame(fin|text, " bird")[7:])
	p.wantStream("early bird")
}

func TestPings(t *testing.T) {
	b := startBridge(t, ws.Config{}, echo)
	p := openPeer(t, b.addr)
	for _, payload := range []string{"", "hello", "\x00\xff\xfe\xfd", strings.Repeat("x", 125)} {
		p.say(frame(fin|ping, payload))
		p.wantFrame(fin|pong, payload)
	}
	var ten []byte
	for i := range 10 {
		ten = append(ten, frame(fin|ping, fmt.Sprint(i))...)
	}
	p.say(ten)
	for i := range 10 {
		p.wantFrame(fin|pong, fmt.Sprint(i))
	}
	// Unsolicited pongs are ignored.
	p.say(frame(fin|pong, "unsolicited"), frame(fin|pong, "\x00\x00\x00\x00\x00\x00\x00\x01"), frame(fin|ping, "still"))
	p.wantFrame(fin|pong, "still")
	// A pong goes before the echo of a Close that followed its ping.
	p.say(frame(fin|ping, "last"), closeFrame(1000, ""))
	p.wantFrame(fin|pong, "last")
	p.wantClose(1000)
}

// What fails the connection with 1002, at the first byte that shows it.
func TestViolations(t *testing.T) {
	b := startBridge(t, ws.Config{}, echo)
	bad := map[string][]byte{
		"unmasked":                      rawFrame(fin|binry, 5, nil, "hello"),
		"continuation of nothing":       frame(fin|cont, "x"),
		"continuation of nothing, open": frame(cont, "x"),
		"text inside text":              append(frame(text, "a"), frame(fin|text, "b")...),
		"binary inside text":            append(frame(text, "a"), frame(fin|binry, "b")...),
		"continuation after the end":    append(frame(fin|text, "a"), frame(fin|cont, "b")...),
		"ping of 126":                   rawFrame(fin|ping, 0x80|126, []byte{0, 126}, strings.Repeat("x", 126)),
		"close of 126":                  rawFrame(fin|clos, 0x80|126, []byte{0, 126}, "\x03\xe8"+strings.Repeat("x", 124)),
		"ping with a short long length": rawFrame(fin|ping, 0x80|126, []byte{0, 5}, "hello"),
		"fragmented ping":               frame(ping, "x"),
		"fragmented pong":               frame(pong, "x"),
		"fragmented close":              frame(clos, "\x03\xe8"),
		"125 in two bytes":              rawFrame(fin|binry, 0x80|126, []byte{0, 125}, strings.Repeat("x", 125)),
		"0 in two bytes":                rawFrame(fin|binry, 0x80|126, []byte{0, 0}, ""),
		"65535 in eight bytes":          rawFrame(fin|binry, 0x80|127, binary.BigEndian.AppendUint64(nil, 65535), "x"),
		"2^63 bytes":                    rawFrame(fin|binry, 0x80|127, binary.BigEndian.AppendUint64(nil, 1<<63), "x"),
		"2^64-1 bytes":                  rawFrame(fin|binry, 0x80|127, binary.BigEndian.AppendUint64(nil, 1<<64-1), "x"),
		"close of one byte":             frame(fin|clos, "x"),
		"2^63 bytes, no mask yet":       rawFrame(fin|binry, 0x80|127, binary.BigEndian.AppendUint64(nil, 1<<63), "")[:10],
		"125 in two bytes, no mask yet": rawFrame(fin|binry, 0x80|126, []byte{0, 125}, "")[:4],
	}
	for _, bit := range []byte{rsv1, rsv2, rsv3, rsv1 | rsv2 | rsv3} {
		for _, op := range []byte{text, binry, cont, clos, ping, pong} {
			bad[fmt.Sprintf("reserved bits %#x with opcode %d", bit, op)] = frame(fin|bit|op, "")
		}
	}
	for _, op := range []byte{3, 4, 5, 6, 7, 11, 12, 13, 14, 15} {
		bad[fmt.Sprintf("opcode %d", op)] = frame(fin|op, "")
		bad[fmt.Sprintf("opcode %d, two bytes of it", op)] = frame(fin|op, "x")[:2]
		bad[fmt.Sprintf("opcode %d, open", op)] = frame(op, "x")
	}
	for name, bytes := range bad {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := openPeer(t, b.addr)
			p.say(frame(fin|binry, "good"))
			p.wantStream("good")
			p.say(bytes)
			p.wantClose(1002)
			if e := b.closeOf(p); e == nil || e.Code != ws.ProtocolError || e.ByPeer || e.Reason == "" {
				t.Errorf("CloseError is %v", e)
			}
		})
	}
}

// A frame may claim 2^62 bytes; the payload that arrives is passed on.
func TestHugeLength(t *testing.T) {
	b := startBridge(t, ws.Config{}, echo)
	p := openPeer(t, b.addr)
	p.say(rawFrame(fin|binry, 0x80|127, binary.BigEndian.AppendUint64(nil, 1<<62), "some"))
	p.wantStream("some")
}
