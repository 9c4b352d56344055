package protocol

import (
	"bufio"
	"crypto/sha1"
	"encoding/base64"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tcpctl/tcpctl/proxy"
)

const switching = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"

// answers is a server that answers as respond does, and reads until its client leaves.
func answers(answer string) func(*net.TCPConn) {
	return func(c *net.TCPConn) {
		respond(c, answer)
		io.Copy(io.Discard, c)
	}
}

// respond reads a request, and writes answer with KEY replaced by the Sec-WebSocket-Accept value.
func respond(c *net.TCPConn, answer string) {
	r, err := http.ReadRequest(bufio.NewReader(c))
	if err != nil {
		return
	}
	sum := sha1.Sum([]byte(r.Header.Get("Sec-WebSocket-Key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	io.WriteString(c, strings.ReplaceAll(answer, "KEY", base64.StdEncoding.EncodeToString(sum[:])))
}

// connecting is a service that connects TCP clients to a WebSocket backend: that of a testBridge.
func connecting(t *testing.T, serve func(*net.TCPConn)) *testBridge {
	t.Helper()
	return bridge(t, serve, func(c *proxy.ServiceConfig, _ *WebSocket) {
		k := Connect{URL: "ws://ana:secret@" + c.Backends[0].Addr + "/desk?token=secret", Ping: time.Minute}
		if err := k.Apply(c); err != nil {
			t.Fatal(err)
		}
		c.Protocol, c.NoBackend, c.ConnectRetries = nil, proxy.Reject, -1
	})
}

// TestConnectToAServerThatIsNone: a server that does not prove that it speaks WebSocket gets no
// byte from the client, which is reset; the record says what was wrong, without the secrets in the
// URL.
func TestConnectToAServerThatIsNone(t *testing.T) {
	for name, c := range map[string]struct{ answer, said string }{
		"no key":                  {switching + "\r\n", "Sec-WebSocket-Accept does not match"},
		"another key":             {switching + "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n", "Sec-WebSocket-Accept does not match"},
		"two keys":                {switching + "Sec-WebSocket-Accept: KEY\r\nSec-WebSocket-Accept: KEY\r\n\r\n", "Sec-WebSocket-Accept does not match"},
		"another protocol":        {strings.Replace(switching, "websocket", "h2c", 1) + "Sec-WebSocket-Accept: KEY\r\n\r\n", "does not upgrade to a WebSocket"},
		"base64, not asked for":   {switching + "Sec-WebSocket-Accept: KEY\r\nSec-WebSocket-Protocol: base64\r\n\r\n", "subprotocol that was not offered"},
		"compression, not wanted": {switching + "Sec-WebSocket-Accept: KEY\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n", "extension that was not offered"},
		"a page":                  {"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", "200"},
		"files only":              {"HTTP/1.1 405 Method Not Allowed\r\nContent-Length: 0\r\n\r\n", "405"},
		"unknown token":           {"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n", "401"},
		"a login elsewhere":       {"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/login\r\nContent-Length: 0\r\n\r\n", "302"},
		"no HTTP":                 {"SSH-2.0-OpenSSH_9.2\r\n", "malformed"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			v := connecting(t, answers(c.answer))
			client, err := net.Dial("tcp", v.addr)
			if err == nil { // otherwise the reset came before the dial returned
				client.SetDeadline(time.Now().Add(patience))
				if _, err := io.WriteString(client, "hello"); err == nil { // otherwise this write got the reset, which is reported once
					if b, err := io.ReadAll(client); err == nil || len(b) > 0 {
						t.Errorf("the client reads %q, %v", b, err)
					}
				}
				client.Close()
			}
			r := v.record()
			if r.By != proxy.ByProxy || r.Phase != proxy.PhaseConnect || !strings.Contains(r.Detail, c.said) || strings.Contains(r.Detail, "secret") {
				t.Errorf("record %+v", r)
			}
			for _, e := range events(v) {
				if strings.Contains(e.Text, "secret") {
					t.Errorf("an event has a secret: %s", e.Text)
				}
			}
		})
	}
}

// TestConnectToAServerThatSpeaksFirst: frames that arrive together with the answer reach the
// client, of whatever form: empty ones, fragments with a ping between them, text, a length in 8
// bytes.
func TestConnectToAServerThatSpeaksFirst(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 65536)
	frames := "\x82\x00" + "\x82\x0cRFB 003.008\n" + "\x01\x03Hel" + "\x89\x04ping" + "\x00\x00" + "\x80\x02lo" + "\x8a\x04pong" +
		"\x82\x7f\x00\x00\x00\x00\x00\x01\x00\x00" + long + "\x88\x02\x03\xe8"
	v := connecting(t, answers(switching+"Sec-WebSocket-Accept: KEY\r\nSec-WebSocket-Protocol: binary\r\n\r\n"+frames))
	client := v.connect()
	b, err := io.ReadAll(client.r)
	if want := "RFB 003.008\nHello" + long; err != nil || string(b) != want {
		t.Errorf("the client reads %d bytes, want %d: %.40q, %v", len(b), len(want), b, err)
	}
	client.Close()
	if r := v.record(); r.By != proxy.ByBackend || r.Reason != proxy.ReasonFIN || r.BytesOut != int64(len(b)) {
		t.Errorf("record %+v", r)
	}
}

// TestConnectToAServerThatFails: a Close that is no orderly end resets the client, after all data; the record says what the other
// end gave as its reason. It used to be the same FIN as that of a complete stream.
func TestConnectToAServerThatFails(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		frames string
		reason proxy.Reason
		detail string
	}{
		{"\x88\x02\x03\xe8", proxy.ReasonFIN, ""}, {"\x88\x02\x03\xe9", proxy.ReasonFIN, ""}, {"\x88\x00", proxy.ReasonFIN, ""}, {"\x88\x02\x0f\xa0", proxy.ReasonFIN, ""},
		{"", proxy.ReasonFIN, ""}, // no Close frame, between two messages
		{"\x88\x06\x03\xf3gone", proxy.ReasonReset, `the other end closed with 1011, "gone"`},
		{"\x88\x02\x03\xf5", proxy.ReasonReset, `the other end closed with 1013, ""`},
		{"\x88\x02\x03\xf0", proxy.ReasonReset, `the other end closed with 1008, ""`},
		{"\x83\x00", proxy.ReasonProtocolError, "reserved opcode 3"},
		{"\x82\x05", proxy.ReasonTruncated, "inside a message"},
	} {
		t.Run(strconv.Quote(c.frames), func(t *testing.T) {
			t.Parallel()
			v := connecting(t, func(conn *net.TCPConn) {
				respond(conn, switching+"Sec-WebSocket-Accept: KEY\r\n\r\n\x82\x05hello")
				conn.Read(make([]byte, 100)) // the client has its connection, which a reset would not let it have
				io.WriteString(conn, c.frames)
				if c.frames != "" && c.reason != proxy.ReasonTruncated {
					io.Copy(io.Discard, conn)
				}
			})
			client := v.connect()
			io.WriteString(client, "x")
			b, err := io.ReadAll(client.r)
			if string(b) != "hello" || (err != nil) != (c.reason != proxy.ReasonFIN) {
				t.Errorf("the client reads %q, %v", b, err)
			}
			client.Close()
			if r := v.record(); r.By != proxy.ByBackend || r.Reason != c.reason || !strings.Contains(r.Detail, c.detail) {
				t.Errorf("record %+v", r)
			}
		})
	}
}
