package main

import (
	"bufio"
	"cmp"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/proxy/relay"
)

// soak compares what both peers of each session saw with each other and with the record.
type soak struct {
	t   *testing.T
	ids atomic.Uint64

	mu      sync.Mutex
	waiting map[uint64]chan soakSaw
	records map[string]chan proxy.Record // by the service and the client's address

	lastDeath           atomic.Int64 // of a server, in Unix time
	done, ended, differ atomic.Int64
	updated, disturbed  atomic.Int64 // openssl sessions that update their keys; odd handshakes
}

// soakService is one service of the soak.
type soakService struct {
	name, addr string
	kind       string      // what a client speaks: "", tls, proxy, wss, unix
	alone      *sync.Mutex // for a Unix socket, whose records do not distinguish clients
	openssl    bool        // this client is openssl
}

// tell records what a server saw of a session.
func (s *soak) tell(id uint64, saw soakSaw) {
	s.mu.Lock()
	ch := s.waiting[id]
	s.mu.Unlock()
	if ch != nil {
		ch <- saw
	}
}

// follow reads the access log as it grows.
func (s *soak) follow(path string, stop <-chan struct{}) {
	f, err := os.Open(path)
	if err != nil {
		s.t.Error(err)
		return
	}
	defer f.Close()
	r, line := bufio.NewReader(f), []byte(nil)
	for {
		part, err := r.ReadSlice('\n')
		line = append(line, part...)
		if errors.Is(err, bufio.ErrBufferFull) {
			continue
		}
		if err != nil {
			select {
			case <-stop:
				return
			case <-time.After(5 * time.Millisecond):
			}
			continue
		}
		var rec proxy.Record
		if err := json.Unmarshal(line, &rec); err != nil {
			s.t.Errorf("access log: %v: %s", err, line)
		}
		line = line[:0]
		s.mu.Lock()
		ch := s.records[rec.Service+" "+rec.Client]
		s.mu.Unlock()
		select {
		case ch <- rec: // nil if no session waits for it
		default: // of a session that never began, whose port another has now
		}
	}
}

// plan returns a random session.
func (s *soak) plan(at soakService, r *rand.Rand) soakPlan {
	p := soakPlan{id: s.ids.Add(1)}
	scripts := []uint8{clientFirst, serverFirst, bothAtOnce, clientCloses, serverCloses, clientResets, serverResets, clientAborts, serverAborts}
	switch at.kind {
	case "unix":
		scripts = scripts[:5] // no resets
	case "wss":
		scripts = scripts[3:] // nor half-closed streams
	}
	p.script = scripts[r.IntN(len(scripts))]
	size := func() uint32 {
		if r.IntN(60) == 0 && at.name != "slow" {
			return soakLong - uint32(r.IntN(1000))
		}
		return uint32(r.IntN([]int{1, 200, 20_000, 256 << 10}[r.IntN(4)]))
	}
	p.up, p.down = size(), size()
	if r.IntN(4) == 0 {
		p.flags = uint8(r.IntN(soakFlags))
	}
	if at.kind != "" && at.kind != "proxy" {
		p.flags &^= urgentUp | urgentDown
	}
	switch p.script {
	case clientCloses, serverCloses, clientAborts, serverAborts:
		p.up, p.down = p.up+1, p.down+1   // neither is empty when one closes
		p.flags &^= urgentUp | urgentDown // an unread urgent byte would make the close a reset
	}
	return p
}

// visit runs one session, and judges it from both sides and by its record.
func (s *soak) visit(at soakService, r *rand.Rand) {
	if at.alone != nil {
		at.alone.Lock()
		defer at.alone.Unlock()
	}
	p := s.plan(at, r)
	if at.openssl = at.kind == "tls" && r.IntN(20) == 0 && !isCommand(soakPart(p.id, 1)[0]); at.openssl {
		p.script, p.flags = []uint8{serverCloses, clientResets, clientAborts}[r.IntN(3)], 0
		p.up, p.down = 1+p.up%(48<<10), 1+p.down // writes in small parts are slow
	}
	truncate := at.kind == "tls" && p.script == clientFirst && r.IntN(3) == 0
	server, records := make(chan soakSaw, 1), make(chan proxy.Record, 10)
	began := time.Now()
	raw, key, err := s.dial(at, p.id, server, records)
	defer func() {
		s.mu.Lock()
		delete(s.waiting, p.id)
		delete(s.records, key)
		s.mu.Unlock()
	}()
	if errors.Is(err, syscall.ECONNRESET) { // kicked at once
		s.ended.Add(1)
		return
	}
	if err != nil {
		s.wrong("%s: %v", at.name, err)
		return
	}
	defer raw.Close()
	raw.SetDeadline(time.Now().Add(patience))
	client := s.call(at, p, raw, truncate)
	raw.Close()
	for late := time.After(patience); ; {
		select {
		case rec := <-records:
			if rec.Opened.Before(began) {
				continue // of an earlier session that never began
			}
			s.judge(at, p, truncate, client, server, rec)
		case <-late:
			s.wrong("%s %+v: no record of %s; the client saw %+v", at.name, p, key, client)
		}
		return
	}
}

// dial connects to a service. The session is expected before it can begin: it may be kicked before
// the call returns.
func (s *soak) dial(at soakService, id uint64, server chan soakSaw, records chan proxy.Record) (_ net.Conn, key string, err error) {
	network := "tcp"
	d := net.Dialer{Timeout: 2 * patience, Control: func(_, _ string, c syscall.RawConn) (err error) {
		client := "unix:" + at.addr
		if network == "tcp" {
			if client, err = bindLoopback(c); err != nil {
				return err
			}
		}
		if to := at.name + " " + client; s.expect(id, to, server, records) {
			key = to
			return nil
		}
		return errors.New("another session keeps " + client + " for ever")
	}}
	if at.kind == "unix" {
		network = "unix"
	}
	c, err := d.Dial(network, at.addr)
	return c, key, err
}

// bindLoopback gives a socket its address before it connects.
func bindLoopback(c syscall.RawConn) (addr string, err error) {
	cerr := c.Control(func(fd uintptr) {
		if err = syscall.Bind(int(fd), &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
			return
		}
		var own syscall.Sockaddr
		if own, err = syscall.Getsockname(int(fd)); err == nil {
			addr = fmt.Sprint("127.0.0.1:", own.(*syscall.SockaddrInet4).Port)
		}
	})
	return addr, cmp.Or(cerr, err)
}

// expect registers a session's channels, once the previous session with the same address has its
// record.
func (s *soak) expect(id uint64, key string, server chan soakSaw, record chan proxy.Record) bool {
	for began := time.Now(); time.Since(began) < patience; time.Sleep(time.Millisecond) {
		s.mu.Lock()
		_, taken := s.records[key]
		if !taken {
			s.waiting[id], s.records[key] = server, record
		}
		s.mu.Unlock()
		if !taken {
			return true
		}
	}
	return false
}

// call plays the client's part.
func (s *soak) call(at soakService, p soakPlan, raw net.Conn, truncate bool) soakSaw {
	peer := &soakPeer{conn: raw, mine: soakPart(p.id, p.up), theirs: soakPart(p.id, p.down),
		urgentAt: p.urgent(urgentUp, int(p.up)), slow: p.flags&slowClient != 0, pausing: p.flags&pausing != 0}
	if c, ok := raw.(interface{ CloseWrite() error }); ok {
		peer.closeWrite = c.CloseWrite
	}
	switch at.kind {
	case "proxy":
		from := raw.LocalAddr().(*net.TCPAddr)
		fmt.Fprintf(raw, "PROXY TCP4 %s 127.0.0.1 %d 1\r\n", from.IP, from.Port)
	case "tls":
		if at.openssl {
			c, err := newSoakOpenSSL(raw)
			if err != nil {
				return soakSaw{end: soakRefused, err: err}
			}
			defer c.Close()
			peer.conn = c
			s.updated.Add(1)
			break
		}
		c := tls.Client(relay.NoteEnd(raw), &tls.Config{InsecureSkipVerify: true})
		peer.conn = c
		if !truncate {
			peer.closeWrite = c.CloseWrite
		}
	case "wss":
		c, err := newSoakWS(raw)
		if err != nil {
			return soakSaw{end: soakRefused, err: err}
		}
		peer.conn = c
	}
	peer.write(p.header())
	return peer.play(p.script, true)
}

// judge compares what both sides saw, and the record, with the script. If the proxy, an operator or
// the death of the server ended a session, missing data must not look like a clean end.
func (s *soak) judge(at soakService, p soakPlan, truncate bool, client soakSaw, server chan soakSaw, rec proxy.Record) {
	back := s.ofServer(server, rec)
	what := fmt.Sprintf("%s %+v truncated=%v: client %+v, server %+v, record %s/%s/%s %q of %d and %d bytes", at.name, p, truncate, client, back, rec.By, rec.Phase, rec.Reason, rec.Detail, rec.BytesIn, rec.BytesOut)
	died := back.end == soakDied || back.end == soakNothing && s.lastDeath.Load() > rec.Opened.UnixNano()
	if rec.By == proxy.ByOperator || rec.By == proxy.ByProxy || died {
		s.ended.Add(1)
		partial := client.end == soakFin && client.bytes < int(p.down) && at.kind != "unix" // a Unix socket has no other end
		if partial || back.end == soakFin && back.bytes < int(p.up) || client.garbled || back.garbled {
			s.wrong("%s", what)
		}
		return
	}
	if !rec.Served || !s.asMeant(at, p, truncate, client, back, rec) {
		s.wrong("%s", what)
		return
	}
	s.done.Add(1)
}

// ofServer waits for what the server saw. The server may know nothing of a session that another
// side ended before the server read the header.
func (s *soak) ofServer(server chan soakSaw, rec proxy.Record) soakSaw {
	for began := time.Now(); rec.Served && time.Since(began) < patience; {
		select {
		case saw := <-server:
			return saw
		case <-time.After(time.Second):
			if rec.By == proxy.ByOperator || rec.By == proxy.ByProxy || s.lastDeath.Load() > rec.Opened.UnixNano() {
				return soakSaw{end: soakNothing}
			}
		}
	}
	return soakSaw{end: soakNothing}
}

// asMeant reports whether a session followed its script.
func (s *soak) asMeant(at soakService, p soakPlan, truncate bool, client, back soakSaw, rec proxy.Record) bool {
	all := func(saw soakSaw, n uint32, end string) bool {
		return saw.bytes == int(n) && saw.end == end && !saw.garbled && (saw.err == nil || end != soakFin)
	}
	ended := func(by string, reason proxy.Reason) bool { return rec.By == by && rec.Reason == reason }
	in, out := int64(p.up)+soakHeader, int64(p.down)
	if p.flags&urgentUp != 0 {
		in++
	}
	if p.flags&urgentDown != 0 {
		out++
	}
	carried := rec.BytesIn == in && rec.BytesOut == out
	reason := proxy.ReasonFIN
	if truncate {
		reason = proxy.ReasonTLSTruncated
	}
	switch p.script {
	case clientFirst:
		return all(client, p.down, soakFin) && all(back, p.up, soakFin) && ended(proxy.ByClient, reason) && carried
	case serverFirst:
		return all(client, p.down, soakFin) && all(back, p.up, soakFin) && ended(proxy.ByBackend, reason) && carried
	case bothAtOnce:
		return all(client, p.down, soakFin) && all(back, p.up, soakFin) && ended(rec.By, reason) && carried
	case clientAborts:
		return all(back, min(p.up, uint32(back.bytes)), soakReset) && ended(proxy.ByClient, proxy.ReasonReset)
	case clientResets:
		return all(back, p.up, soakReset) && ended(proxy.ByClient, proxy.ReasonReset)
	case serverResets, serverAborts:
		if p.script == serverAborts {
			p.down = min(p.down, uint32(client.bytes))
		}
		end := soakReset
		if at.kind == "wss" {
			end = "close code 1011"
		}
		return all(client, p.down, end) && ended(proxy.ByBackend, proxy.ReasonReset)
	case clientCloses:
		return all(client, p.down, "") && all(back, p.up, soakFin) && ended(proxy.ByClient, reason) && carried
	default:
		return all(client, p.down, soakFin) && all(back, p.up, "") && ended(proxy.ByBackend, reason) && carried
	}
}

func (s *soak) wrong(format string, args ...any) {
	if s.differ.Add(1) <= 20 {
		s.t.Errorf(format, args...)
	}
}
