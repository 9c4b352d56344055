package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/control"
)

// A faultVisit is one client: it connects, is admitted with a token, holds a slot, and gives it
// back or is ended.
type faultVisit struct {
	node    *faultNode
	process int // the one that accepted clients when it dialled; 0: unknown
	conn    *net.TCPConn
	r       *bufio.Reader
	token   uint64
	call    time.Time // before it dialled
	got     time.Time // when it knew that it was admitted
	free    time.Time // from when its slot may be free; zero: never
}

// errTooLong is the error of a client that was not served within faultWait.
var errTooLong = errors.New("it was not served")

// faultWait is how long a client waits: three hundred others are ahead of it, and there are faults.
const faultWait = 5 * patience

// dial connects to a service of a node.
func (n *faultNode) dial(service string) (*faultVisit, error) {
	_, process := n.untouched()
	v := &faultVisit{node: n, process: process, call: time.Now()}
	var err error
	if v.conn, err = n.dialInside(faultPorts[service]); err != nil {
		return nil, err
	}
	v.r = bufio.NewReader(v.conn)
	if _, err := fmt.Fprintln(v.conn, "here"); err != nil {
		v.conn.Close()
		return nil, err
	}
	return v, nil
}

// admitted waits for the token.
func (v *faultVisit) admitted(until time.Time) error {
	v.conn.SetReadDeadline(until)
	line, err := v.r.ReadString('\n')
	if err == nil {
		v.token, err = strconv.ParseUint(strings.TrimSpace(line), 10, 64)
	}
	if err != nil {
		v.conn.Close()
		if errors.Is(err, os.ErrDeadlineExceeded) {
			err = errTooLong
		}
		return err
	}
	v.got = time.Now()
	if _, now := v.node.untouched(); now != v.process {
		v.process = 0
	}
	return nil
}

// hold talks to the backend for a while, and for as long as its node is cut off. It returns false
// if the session was ended.
func (v *faultVisit) hold(long time.Duration) bool {
	end := v.got.Add(long)
	for {
		said := time.Now()
		v.conn.SetReadDeadline(said.Add(patience))
		_, err := fmt.Fprintln(v.conn, "still here")
		if err == nil {
			_, err = v.r.ReadString('\n')
		}
		if err != nil {
			v.conn.Close()
			if v.free.IsZero() {
				v.free = v.got
			}
			return false
		}
		v.free = said // it held the slot then: no other client can have had it
		if left := time.Until(end); left > 0 {
			time.Sleep(min(left, 20*time.Millisecond))
		} else if v.node.cutSince().IsZero() {
			return true
		} else {
			time.Sleep(20 * time.Millisecond)
		}
	}
}

// release gives the slot back. Its node may have ended the session earlier, but not before the
// backend's last answer.
func (v *faultVisit) release() {
	if v.free.IsZero() {
		v.free = v.got
	}
	v.conn.Close()
}

// record stores what a client has seen, for judge.
func (l *faultLab) record(v *faultVisit) {
	// A slot whose session a stopped node has not ended may pass to another client from the stop
	// on, whatever this client sees. It may even see its token only later.
	if at, ok := v.node.stoppedAt(l.server.arrived(v.token).Add(-faultLease), v.free); ok && at.Before(v.free) {
		v.free = at
		if at.Before(v.call) {
			v.free = v.call
		}
	}
	v.node.served.Add(1)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.history = append(l.history, faultSeen{v.token, v.call.Sub(l.began), v.got.Sub(l.began), v.free.Sub(l.began), l.line(v)})
}

// line identifies the queue in which a client waited: one for all nodes, or one per process; 0:
// unknown.
func (l *faultLab) line(v *faultVisit) int {
	if l.shares {
		return v.process
	}
	return 1
}

// visits makes the visits of one client, one after another.
func (l *faultLab) visits(n *faultNode, r *rand.Rand) {
	for {
		select {
		case <-l.stop:
			return
		case <-time.After(time.Duration(r.IntN(200)) * time.Millisecond):
		}
		v, err := n.dial(faultService)
		if err != nil {
			continue // no process listens
		}
		if r.IntN(20) == 0 { // it gives up at once
			if v.admitted(time.Now().Add(time.Duration(r.IntN(3000))*time.Millisecond)) != nil {
				continue
			}
		} else if err := v.admitted(time.Now().Add(faultWait)); errors.Is(err, errTooLong) {
			l.wrongf("a client of %s waits for ever", n.name)
			return
		} else if err != nil {
			continue // its node was killed
		}
		hold := time.Duration(r.Int64N(int64(l.hold)))
		if r.IntN(200) == 0 {
			hold = time.Duration(r.IntN(5000)) * time.Millisecond
		}
		if v.hold(hold) {
			v.release()
		}
		l.record(v)
	}
}

// A faultPlace is a waiter that is known to have had its place at a time.
type faultPlace struct {
	token uint64
	by    time.Duration
	line  int
}

// probes makes clients of which it is known when they had their place: clients that come later must
// be granted later. With one order over all nodes, a place is certainly committed once another
// client, which came to the same node later and asked for another lock, has its grant: a node's
// operations are committed in order.
func (l *faultLab) probes(r *rand.Rand) {
	for {
		select {
		case <-l.stop:
			return
		case <-time.After(time.Duration(r.IntN(300)) * time.Millisecond):
		}
		n := l.nodes[r.IntN(len(l.nodes))]
		epoch, process := n.untouched()
		v, err := n.dial(faultService)
		if err != nil {
			continue
		}
		ok := l.waits(n, v)
		if ok && !l.shares {
			ok = l.marks(n)
		}
		by := time.Since(l.began)
		_, now := n.untouched()
		ok = ok && process != 0 && now == process
		if err := v.admitted(time.Now().Add(faultWait)); err != nil {
			if errors.Is(err, errTooLong) {
				l.wrongf("a client of %s waits for ever", n.name)
			}
			continue
		}
		// The loss of a lease costs a place in a common order, but not in a node's own.
		now, _ = n.untouched()
		if line := l.line(v); ok && line != 0 && (l.shares || now == epoch && !l.lackedSince(v.call)) {
			l.mu.Lock()
			l.places = append(l.places, faultPlace{v.token, by, line})
			l.mu.Unlock()
		}
		v.release()
		l.record(v)
	}
}

// waits reports whether a client has entered its node's queue.
func (l *faultLab) waits(n *faultNode, v *faultVisit) bool {
	c := control.Dial(n.socket)
	defer c.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	for me := v.conn.LocalAddr().String(); ; time.Sleep(5 * time.Millisecond) {
		all, err := c.Queue(ctx, faultService)
		if err != nil {
			return false
		}
		for _, w := range all {
			if w.Client == me {
				return true
			}
		}
		if ctx.Err() != nil {
			return false // already served
		}
	}
}

// marks waits until the node's operations so far are committed.
func (l *faultLab) marks(n *faultNode) bool {
	mark, err := n.dial(faultMarker)
	if err != nil || mark.admitted(time.Now().Add(5*time.Second)) != nil {
		return false
	}
	mark.conn.Close()
	return true
}
