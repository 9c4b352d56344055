package main

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"sync"
	"syscall"
	"time"

	"github.com/pires/go-proxyproto"
	"golang.org/x/sys/unix"

	"github.com/tcpctl/tcpctl/proxy/proxytest"
)

// A faultServer is the backend of all nodes: it counts concurrent sessions, and fences off those
// that a stopped node could not end.
type faultServer struct {
	lab       *faultLab
	wg        sync.WaitGroup
	listeners []net.Listener

	mu      sync.Mutex
	conns   sync.Map // open connections
	live    map[*faultHolder]bool
	seen    map[uint64]time.Time // when a token came
	most    int
	over    int           // holders beyond the slots, of running nodes
	fenced  int           // sessions of stopped nodes that were fenced off
	ended   int           // sessions ended by nodes that were cut off
	lastCut time.Time     // when the last of these ended; zero: its slot has moved
	checks  int           // number of answered checks
	came    time.Time     // when the last holder came
	gap     time.Duration // the longest time without one
	closest time.Duration // the shortest time from lastCut to the next holder; 0: none
}

// A faultHolder is a session that holds a slot.
type faultHolder struct {
	node  *faultNode
	token uint64
	began time.Time
	conn  *net.TCPConn
}

func (s *faultServer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return fmt.Sprintf("at most %d holders of %d slots (%d times more), %d fenced off that their stopped node could not end, %d ended by a node that was cut off, at the least %v before the slot moved, %d checks",
		s.most, s.lab.slots, s.over, s.fenced, s.ended, s.closest.Round(time.Millisecond), s.checks)
}

// listen is called in the node's namespace. With mark, every session is accepted.
func (s *faultServer) listen(n *faultNode, port int, mark bool) error {
	ln, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		return err
	}
	s.accept(ln, func(c *net.TCPConn) { s.serve(n, c, mark) })
	return nil
}

// listenForChecks is called in a node's namespace.
func (s *faultServer) listenForChecks(port int) error {
	ln, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		return err
	}
	s.accept(ln, func(c *net.TCPConn) {
		if _, err := bufio.NewReader(c).ReadString('\n'); err != nil {
			return
		}
		s.mu.Lock()
		s.checks++
		s.mu.Unlock()
		fmt.Fprintln(c, "well")
	})
	return nil
}

func (s *faultServer) accept(ln net.Listener, serve func(*net.TCPConn)) {
	s.listeners = append(s.listeners, ln)
	s.wg.Go(func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			s.conns.Store(c, nil)
			s.wg.Go(func() {
				defer s.conns.Delete(c)
				defer c.Close()
				serve(c.(*net.TCPConn))
			})
		}
	})
}

func (s *faultServer) stop() {
	for _, ln := range s.listeners {
		proxytest.StopListening(ln)
	}
	s.conns.Range(func(c, _ any) bool { c.(net.Conn).Close(); return true })
	s.wg.Wait()
}

// serve answers each line with the token.
func (s *faultServer) serve(n *faultNode, c *net.TCPConn, mark bool) {
	r := bufio.NewReader(c)
	header, err := proxyproto.Read(r)
	if err != nil {
		return // the node was killed before it sent the header
	}
	h := &faultHolder{node: n, conn: c, began: time.Now()}
	tlvs, _ := header.TLVs()
	for _, tlv := range tlvs {
		if tlv.Type == 0xE5 {
			h.token = binary.BigEndian.Uint64(tlv.Value)
		}
	}
	if !mark {
		if h.token == 0 {
			s.lab.wrongf("a session of %s has no token: %+v", n.name, header)
		}
		if !s.begins(h) {
			return
		}
		defer func() { s.end(h, errors.Is(err, syscall.ECONNRESET)) }()
	}
	for {
		if _, err = r.ReadString('\n'); err != nil {
			return
		}
		if _, err = fmt.Fprintf(c, "%d\n", h.token); err != nil {
			return
		}
	}
}

// begins registers a session. It returns false if the session is fenced off.
func (s *faultServer) begins(h *faultHolder) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.seen[h.token].IsZero() {
		s.lab.wrongf("token %d came twice, now from %s", h.token, h.node.name)
	}
	s.seen[h.token] = h.began
	s.live[h] = true
	s.gap, s.came = max(s.gap, h.began.Sub(s.came)), h.began
	if len(s.live) > s.lab.slots {
		s.sweepLocked()
	}
	for len(s.live) > s.lab.slots {
		old := s.oldestStoppedLocked()
		if old == nil {
			s.over++
			s.lab.wrongf("%d hold %d slots: %s", len(s.live), s.lab.slots, s.holdersLocked())
			break
		}
		s.fenced++
		old.conn.SetLinger(0)
		old.conn.Close()
		delete(s.live, old)
	}
	s.most = max(s.most, len(s.live))
	if len(s.live) == s.lab.slots && !s.lastCut.IsZero() {
		if d := time.Since(s.lastCut); s.closest == 0 || d < s.closest {
			s.closest = d
		}
		s.lastCut = time.Time{}
	}
	return s.live[h]
}

// arrived returns when the session with a token came.
func (s *faultServer) arrived(token uint64) time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.seen[token]
}

// sweepLocked removes sessions whose end has arrived but was not read yet.
func (s *faultServer) sweepLocked() {
	for h := range s.live {
		raw, err := h.conn.SyscallConn()
		ended := err != nil
		if err == nil {
			err = raw.Control(func(fd uintptr) {
				p := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLRDHUP}}
				n, _ := unix.Poll(p, 0)
				ended = n > 0
			})
		}
		if ended || err != nil {
			s.endLocked(h, false)
		}
	}
}

// oldestStoppedLocked returns the holder with the oldest token among those whose node was stopped
// since they came, or a moment before: such a node could not end its sessions in time.
func (s *faultServer) oldestStoppedLocked() (old *faultHolder) {
	for h := range s.live {
		if _, stopped := h.node.stoppedAt(h.began.Add(-faultLease), time.Now()); stopped && (old == nil || h.token < old.token) {
			old = h
		}
	}
	return old
}

func (s *faultServer) holdersLocked() (text string) {
	for h := range s.live {
		text += fmt.Sprintf(" token %d of %s since %v,", h.token, h.node.name, time.Since(h.began).Round(time.Millisecond))
		if cut := h.node.cutSince(); !cut.IsZero() {
			text += fmt.Sprintf(" cut off for %v,", time.Since(cut).Round(time.Millisecond))
		}
	}
	return text
}

func (s *faultServer) end(h *faultHolder, reset bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.endLocked(h, reset)
}

func (s *faultServer) endLocked(h *faultHolder, reset bool) {
	if !s.live[h] {
		return
	}
	delete(s.live, h)
	// Clients of a node that is cut off do not leave by themselves, so it is the node that ends them.
	if cut := h.node.cutSince(); reset && !cut.IsZero() && time.Since(cut) > faultLease/2 {
		s.ended++
		s.lastCut = time.Now()
	}
}

// holds reports whether a node has a slot.
func (s *faultServer) holds(n *faultNode) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for h := range s.live {
		if h.node == n {
			return true
		}
	}
	return false
}

// longestGap returns the longest time without a holder since the last call.
func (s *faultServer) longestGap() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	gap := max(s.gap, time.Since(s.came))
	s.gap, s.came = 0, time.Now()
	return gap
}
