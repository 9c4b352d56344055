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

// A faultVisit is one client: it comes, is admitted with a token, holds a slot and
// gives it back, or is ended.
type faultVisit struct {
	node  *faultNode
	conn  *net.TCPConn
	r     *bufio.Reader
	token uint64
	call  time.Time // before it came
	got   time.Time // when it knew that it was admitted
	free  time.Time // from when its slot may be free; zero: from never
}

// errTooLong is of a client that waits for ever, as far as a test can tell.
var errTooLong = errors.New("it was not served")

// faultWait is how long a client waits: three hundred are before it, and faults.
const faultWait = 5 * patience

// dial comes to a service of a node.
func (n *faultNode) dial(service string) (*faultVisit, error) {
	v := &faultVisit{node: n, call: time.Now()}
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
	return nil
}

// hold talks to the backend for a while, and as long as its node is cut off. It
// returns false if the session was ended.
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
		v.free = said // it was there then: its slot cannot have been another's
		if left := time.Until(end); left > 0 {
			time.Sleep(min(left, 20*time.Millisecond))
		} else if v.node.cutSince().IsZero() {
			return true
		} else {
			time.Sleep(20 * time.Millisecond)
		}
	}
}

// release gives the slot back.
func (v *faultVisit) release() {
	v.free = time.Now()
	v.conn.Close()
}

// record keeps what a client has seen for the judge.
func (l *faultLab) record(v *faultVisit) {
	// What a stopped node has not ended may be another's from its stop on, whatever this
	// client sees; it may have seen its token only afterwards.
	if at, ok := v.node.stoppedAt(l.server.arrived(v.token).Add(-faultLease), v.free); ok && at.Before(v.free) {
		v.free = at
		if at.Before(v.call) {
			v.free = v.call
		}
	}
	v.node.served.Add(1)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.history = append(l.history, faultSeen{token: v.token, call: v.call.Sub(l.began), got: v.got.Sub(l.began), free: v.free.Sub(l.began)})
}

// visits are those of one client, one after the other.
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
		if r.IntN(20) == 0 { // it has no patience
			if v.admitted(time.Now().Add(time.Duration(r.IntN(3000))*time.Millisecond)) != nil {
				continue
			}
		} else if err := v.admitted(time.Now().Add(faultWait)); errors.Is(err, errTooLong) {
			l.wrongf("a client of %s waits for ever", n.name)
			return
		} else if err != nil {
			continue // its node was killed
		}
		hold := time.Duration(r.IntN(20)) * time.Millisecond
		if r.IntN(200) == 0 {
			hold = time.Duration(r.IntN(5000)) * time.Millisecond
		}
		if v.hold(hold) {
			v.release()
		}
		l.record(v)
	}
}

// A faultPlace is a waiter of whom it is known that its place was committed by then.
type faultPlace struct {
	token     uint64
	committed time.Duration
}

// probes are clients whose place is known to be committed at some moment: another
// client, which came to the same node after them and asked for another lock, has its
// grant. Ops of a node are in order. Who comes later, to whichever node, is granted
// later.
func (l *faultLab) probes(r *rand.Rand) {
	for {
		select {
		case <-l.stop:
			return
		case <-time.After(time.Duration(r.IntN(300)) * time.Millisecond):
		}
		n := l.nodes[r.IntN(len(l.nodes))]
		epoch, starts := n.untouched()
		v, err := n.dial(faultService)
		if err != nil {
			continue
		}
		committed, ok := l.committed(n, v)
		_, now := n.untouched()
		ok = ok && now == starts
		if err := v.admitted(time.Now().Add(faultWait)); err != nil {
			if errors.Is(err, errTooLong) {
				l.wrongf("a client of %s waits for ever", n.name)
			}
			continue
		}
		if now, _ := n.untouched(); ok && now == epoch && !l.lackedSince(v.call) {
			l.mu.Lock()
			l.places = append(l.places, faultPlace{v.token, committed})
			l.mu.Unlock()
		}
		v.release()
		l.record(v)
	}
}

// committed waits until a client's place is known to be committed.
func (l *faultLab) committed(n *faultNode, v *faultVisit) (time.Duration, bool) {
	c := control.Dial(n.socket)
	defer c.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	for me, waits := v.conn.LocalAddr().String(), false; !waits; {
		all, err := c.Queue(ctx, faultService)
		if err != nil {
			return 0, false
		}
		for _, w := range all {
			waits = waits || w.Client == me
		}
		if !waits && ctx.Err() != nil {
			return 0, false // it was served meanwhile
		}
	}
	mark, err := n.dial(faultMarker)
	if err != nil || mark.admitted(time.Now().Add(5*time.Second)) != nil {
		return 0, false
	}
	committed := time.Since(l.began)
	mark.conn.Close()
	return committed, true
}
