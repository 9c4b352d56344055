package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"sync"
	"syscall"
	"time"

	"github.com/coder/websocket"
	"github.com/pires/go-proxyproto"
	"golang.org/x/sys/unix"
)

// Scripts of a session: how its two sides end.
const (
	clientFirst  = iota // the client ends its stream, then the server answers and ends
	serverFirst         // vice versa
	bothAtOnce          // both send everything and end
	clientResets        // once the server has everything
	serverResets        // once the client has everything
	clientCloses        // once each has everything of the other, so that nothing is on its way
	serverCloses
	clientAborts // while both send
	serverAborts
)

// Flags of a session.
const (
	urgentUp   = 1 << iota // the client sends one urgent byte
	urgentDown             // the server does
	slowClient             // the client reads with pauses
	slowServer
	pausing                   // both pause in the middle, for longer than an idle WebSocket keeps its goroutines
	soakFlags     = 1 << iota // how many combinations there are
	soakHeader    = 18
	soakLong      = 4 << 20
	soakFin       = "fin"
	soakReset     = "reset"
	soakDied      = "died"      // its server was killed, as by kill -9
	soakTruncated = "truncated" // TLS ended without close_notify
	soakNothing   = "nothing"   // its server did not see it
	soakRefused   = "refused"   // by an HTTP response
)

// soakPlan is the plan of one session. Its header precedes the client's data.
type soakPlan struct {
	id            uint64
	script, flags uint8
	up, down      uint32
}

func (p soakPlan) header() []byte {
	h := append(binary.BigEndian.AppendUint64(nil, p.id), p.script, p.flags)
	return binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(h, p.up), p.down)
}

func parseSoakPlan(h []byte) soakPlan {
	return soakPlan{binary.BigEndian.Uint64(h), h[8], h[9], binary.BigEndian.Uint32(h[10:]), binary.BigEndian.Uint32(h[14:])}
}

// urgent returns the position of the urgent byte in a side's data, or -1.
func (p soakPlan) urgent(flag uint8, size int) int {
	if p.flags&flag == 0 {
		return -1
	}
	return int(p.id % uint64(size+1))
}

// soakFiller is data without repetitions, of which sessions send parts. It is made on first use, as
// each command that a test runs is this binary, too.
var soakFiller = sync.OnceValue(func() []byte {
	b := make([]byte, soakLong+1<<20)
	rand.NewChaCha8([32]byte{'s', 'o', 'a', 'k'}).Read(b)
	return b
})

// soakPart returns a session's part of soakFiller.
func soakPart(id uint64, size uint32) []byte {
	from := id * 7919 % (1 << 20)
	return soakFiller()[from : from+uint64(size)]
}

// soakSaw is what one side saw of the other: how many bytes, and the end.
type soakSaw struct {
	bytes   int
	end     string
	err     error
	garbled bool // the bytes differ from those sent, or are too many
}

// soakPeer is one side of a session: its connection, what it sends, and what it should receive.
type soakPeer struct {
	conn         net.Conn
	closeWrite   func() error
	mine, theirs []byte
	urgentAt     int
	slow         bool
	pausing      bool
	sending      error // error of its writes
}

// soakHeard checks what a side receives.
type soakHeard struct {
	want []byte
	slow bool
	saw  *soakSaw
}

func (h *soakHeard) Write(b []byte) (int, error) {
	at := h.saw.bytes
	h.saw.bytes += len(b)
	if len(h.want)-at < len(b) || !bytes.Equal(h.want[at:at+len(b)], b) {
		h.saw.garbled = true
	}
	if h.slow {
		time.Sleep(time.Duration(len(b)) * 20 * time.Nanosecond) // 50 MB/s
	}
	return len(b), nil
}

// hear reads n bytes, or to the end of the stream if n is -1. If a Write has got a reset, a read
// does not: Linux reports each error once, and then an end of stream.
func (p *soakPeer) hear(saw *soakSaw, n int) (goesOn bool) {
	from := io.Reader(p.conn)
	if n >= 0 {
		from = io.LimitReader(p.conn, int64(n))
	}
	// Hides WriteTo, which would splice.
	got, err := io.Copy(&soakHeard{p.theirs, p.slow, saw}, struct{ io.Reader }{from})
	if goesOn = err == nil && int(got) == n; goesOn {
		return true
	}
	if err == nil && p.sending != nil {
		err = p.sending
	}
	saw.end, saw.err = soakEnd(err), err
	if t, ok := p.conn.(*tls.Conn); ok && err == nil && t.NetConn().(interface{ Ended() bool }).Ended() {
		saw.end = soakTruncated
	}
	return false
}

func soakEnd(err error) string {
	switch code := websocket.CloseStatus(err); {
	case err == nil, code == websocket.StatusNormalClosure:
		return soakFin
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE), errors.Is(err, syscall.ENOTCONN):
		return soakReset
	case code > 0:
		return fmt.Sprintf("close code %d", code)
	}
	return err.Error()
}

// send sends all of the side's data.
func (p *soakPeer) send() {
	rest := p.mine
	if p.urgentAt >= 0 {
		p.write(rest[:p.urgentAt])
		rest = rest[p.urgentAt:]
		if err := sendUrgent(soakTCP(p.conn)); err != nil && p.sending == nil {
			p.sending = err
		}
	}
	if p.pausing {
		p.write(rest[:len(rest)/2])
		rest = rest[len(rest)/2:]
		time.Sleep(120 * time.Millisecond)
	}
	p.write(rest)
}

func (p *soakPeer) write(b []byte) {
	if _, err := p.conn.Write(b); err != nil && p.sending == nil {
		p.sending = err
	}
}

// endWriting ends the side's stream; over TLS that is a write, too.
func (p *soakPeer) endWriting() {
	if err := p.closeWrite(); err != nil && p.sending == nil {
		p.sending = err
	}
}

func sendUrgent(c *net.TCPConn) error {
	raw, err := c.SyscallConn()
	if err != nil {
		return err
	}
	var sent error
	err = raw.Write(func(fd uintptr) bool {
		sent = unix.Sendto(int(fd), []byte{'!'}, unix.MSG_OOB|unix.MSG_NOSIGNAL, nil)
		return sent != unix.EAGAIN
	})
	return errors.Join(err, sent)
}

// play runs one side of a script.
func (p *soakPeer) play(script uint8, client bool) (saw soakSaw) {
	first := client == (script == clientFirst || script == clientResets || script == clientCloses || script == clientAborts)
	switch script {
	case clientFirst, serverFirst:
		if first {
			p.send()
			p.endWriting()
			p.hear(&saw, -1)
			return saw
		}
		if p.hear(&saw, -1); saw.end == soakFin {
			p.send()
			p.endWriting()
		}
		return saw
	case bothAtOnce:
		p.both(true, func() { p.hear(&saw, -1) }, &saw)
		return saw
	case clientAborts, serverAborts:
		if first {
			p.both(false, func() {
				if p.hear(&saw, 1+len(p.theirs)/2) {
					soakAbort(p.conn)
				}
			}, &saw)
			return saw
		}
		p.both(false, func() { p.hear(&saw, -1) }, &saw)
		return saw
	case clientResets, serverResets:
		// One side sends everything, the other confirms, and then the first resets, so that what is
		// seen does not depend on data on its way.
		if first {
			p.send()
			_, saw.err = io.ReadFull(p.conn, make([]byte, 1))
			soakAbort(p.conn)
			return saw // does not wait for the other's end
		}
		if p.hear(&saw, len(p.theirs)) {
			p.write([]byte{1})
			p.hear(&saw, -1)
		}
		return saw
	}
	if first {
		p.send()
		if p.hear(&saw, len(p.theirs)) {
			p.conn.Close()
		}
		return saw
	}
	if p.hear(&saw, len(p.theirs)) {
		p.send()
		p.hear(&saw, -1)
	}
	return saw
}

// both sends everything while it reads, and then ends if ends is set.
func (p *soakPeer) both(ends bool, hear func(), saw *soakSaw) {
	out, sent := *p, make(chan bool)
	go func() {
		defer close(sent)
		out.send()
		if ends {
			out.endWriting()
		}
	}()
	hear()
	<-sent
	if saw.err == nil && saw.end != "" && out.sending != nil { // the write got the reset
		saw.end, saw.err = soakEnd(out.sending), out.sending
	}
}

// soakTCP returns the TCP connection beneath c.
func soakTCP(c net.Conn) *net.TCPConn {
	switch c := c.(type) {
	case *net.TCPConn:
		return c
	case *proxyproto.Conn:
		t, _ := c.TCPConn()
		return t
	case interface{ NetConn() net.Conn }:
		return soakTCP(c.NetConn())
	}
	return nil
}

func soakAbort(c net.Conn) {
	t := soakTCP(c)
	t.SetLinger(0)
	t.Close()
}

// soakWS is a WebSocket client as a net.Conn.
type soakWS struct {
	net.Conn // beneath it
	ws       *websocket.Conn
	r        io.Reader // reads the current message
}

// newSoakWS does the WebSocket handshake.
func newSoakWS(raw net.Conn) (*soakWS, error) {
	dial := func(context.Context, string, string) (net.Conn, error) { return raw, nil }
	transport := &http.Transport{DialContext: dial, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
	defer transport.CloseIdleConnections()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	c, _, err := websocket.Dial(ctx, "wss://"+raw.RemoteAddr().String(), &websocket.DialOptions{HTTPClient: &http.Client{Transport: transport}})
	if err != nil {
		return nil, err
	}
	c.SetReadLimit(-1)
	return &soakWS{Conn: raw, ws: c}, nil
}

func (c *soakWS) NetConn() net.Conn { return c.Conn }

func (c *soakWS) Read(b []byte) (int, error) {
	for {
		if c.r == nil {
			var err error
			if _, c.r, err = c.ws.Reader(context.Background()); err != nil {
				if websocket.CloseStatus(err) == websocket.StatusNormalClosure {
					err = io.EOF
				}
				return 0, err
			}
		}
		n, err := c.r.Read(b)
		if err == io.EOF { // end of the message
			c.r, err = nil, nil
		}
		if n > 0 || err != nil {
			return n, err
		}
	}
}

func (c *soakWS) Write(b []byte) (n int, err error) {
	for len(b) > 0 {
		part := b[:min(len(b), 60_000)]
		if err := c.ws.Write(context.Background(), websocket.MessageBinary, part); err != nil {
			return n, err
		}
		n, b = n+len(part), b[len(part):]
	}
	return n, nil
}

func (c *soakWS) Close() error { return c.ws.Close(websocket.StatusNormalClosure, "") }
