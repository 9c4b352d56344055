package ws_test

import (
	"fmt"
	"testing"
	"unicode/utf8"

	"github.com/tcpctl/tcpctl/ws"
)

// A text, and what is wrong: the index of the first byte that no valid text
// could have there, or -1; "short" if it is only its end that is missing.
var texts = []struct {
	s     string
	bad   int
	short bool
}{
	{s: "κόσμε", bad: -1},
	{s: "\x00 \x7f \u0080 \u07ff \u0800 \uffff \U00010000 \U0010ffff", bad: -1},
	{s: "\ud7ff \ue000 \ufdd0 \ufffe \U0001fffe", bad: -1}, // non-characters are valid
	{s: "ok\x80", bad: 2},
	{s: "ok\xbf.", bad: 2},
	{s: "\xc0\xaf", bad: 0}, // overlong, of two to six bytes
	{s: "\xc1\xbf", bad: 0},
	{s: "\xe0\x80\xaf", bad: 1},
	{s: "\xe0\x9f\xbf", bad: 1},
	{s: "\xf0\x80\x80\xaf", bad: 1},
	{s: "\xf0\x8f\xbf\xbf", bad: 1},
	{s: "\xf8\x88\x80\x80\x80", bad: 0},
	{s: "\xfc\x84\x80\x80\x80\x80", bad: 0},
	{s: "\xed\xa0\x80", bad: 1}, // surrogates
	{s: "\xed\xbf\xbf", bad: 1},
	{s: "κόσμε\xf4\x90\x80\x80edited", bad: len("κόσμε") + 1}, // above U+10FFFF
	{s: "\xf5\x80\x80\x80", bad: 0},
	{s: "\xfe", bad: 0},
	{s: "\xff", bad: 0},
	{s: "a\xc3b", bad: 2},
	{s: "a\xe2\x82b", bad: 3},
	{s: "a\xf0\x9f\x98b", bad: 4},
	{s: "κ\xce", bad: -1, short: true},
	{s: "a\xe2\x82", bad: -1, short: true},
	{s: "a\xf0\x9f\x98", bad: -1, short: true},
}

func TestTextMessages(t *testing.T) {
	b := startBridge(t, ws.Config{}, echo)
	for _, tt := range texts {
		t.Run(fmt.Sprintf("%x", tt.s), func(t *testing.T) {
			t.Parallel()
			fine := tt.bad < 0 && !tt.short
			if fine != utf8.ValidString(tt.s) {
				t.Fatal("the table is wrong")
			}
			// In one frame, in two split at every byte, in one per byte; and the same
			// bytes in a frame that is never completed, which must not matter.
			ways := map[string][][]byte{"whole": {frame(fin|text, tt.s)}}
			for i := range len(tt.s) + 1 {
				ways[fmt.Sprintf("split at %d", i)] = [][]byte{frame(text, tt.s[:i]), frame(fin|cont, tt.s[i:])}
			}
			each := [][]byte{frame(text, "")}
			for i := range len(tt.s) {
				each = append(each, frame(cont, tt.s[i:i+1]))
			}
			ways["byte by byte"] = append(each, frame(fin|cont, ""))
			for how, frames := range ways {
				p := openPeer(t, b.addr)
				for _, f := range frames {
					p.Write(f) // may fail: it is cut off at the bad byte
				}
				if fine {
					p.wantStream(tt.s)
					p.Close()
				} else if err := p.readClose(1007); err != nil {
					t.Errorf("%s: %v", how, err)
				}
			}
		})
	}
}

// The connection fails at the first impossible byte, and not at the end of the frame
// or the message, which never come here.
func TestInvalidTextFailsAtOnce(t *testing.T) {
	b := startBridge(t, ws.Config{}, echo)
	for _, tt := range texts {
		if tt.bad < 0 {
			continue
		}
		p := openPeer(t, b.addr)
		whole := frame(fin|text, tt.s+"and much more that never comes")
		p.say(whole[:6+tt.bad])
		p.say(frameTail(whole, 6+tt.bad, 1))
		if err := p.readClose(1007); err != nil {
			t.Errorf("%x: %v", tt.s, err)
		}
	}
}

func frameTail(f []byte, at, n int) []byte { return f[at : at+n] }

// Valid bytes before the invalid one may have been echoed already.
func TestInvalidTextAfterValid(t *testing.T) {
	b := startBridge(t, ws.Config{}, echo)
	p := openPeer(t, b.addr)
	p.say(frame(text, "valid"))
	p.wantStream("valid")
	p.say(frame(cont, " too"), frame(fin|ping, "p"))
	p.say(frame(cont, "\xff"), frame(fin|cont, "never"))
	for {
		first, payload, err := p.hear()
		if err != nil {
			t.Fatal(err)
		}
		if first == fin|clos {
			if string(payload[:2]) != "\x03\xef" {
				t.Fatalf("%q", payload)
			}
			return
		}
	}
}

// The payload of binary messages is not checked for UTF-8.
func TestBinaryIsNotChecked(t *testing.T) {
	b := startBridge(t, ws.Config{}, echo)
	p := openPeer(t, b.addr)
	p.say(frame(binry, "\xff\xfe"), frame(fin|cont, "\x80"), frame(fin|text, "κ"))
	p.wantStream("\xff\xfe\x80κ")
}
