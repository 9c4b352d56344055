package mesh

import (
	"errors"
	"fmt"
	"time"

	"github.com/tcpctl/tcpctl/mesh/meshinfo"
)

// ErrSameID is what a *RefusedError wraps when two nodes claim one id, that is: an ID or a Key was copied.
var ErrSameID = errors.New("two nodes have the same id")

// RefusedError says which peer was not let in, or did not let us in, and why.
type RefusedError struct {
	Peer   string // its name, if it said one
	ID     string // and its id
	Addr   string
	Reason meshinfo.Reason
	Detail string
	ByPeer bool // the peer refused us
}

func (e *RefusedError) Error() string {
	who, verb := e.Addr, "refused"
	if e.Peer != "" {
		who = fmt.Sprintf("%s (%s)", e.Peer, e.Addr)
	}
	if e.ByPeer {
		verb = "refused by"
	}
	if e.Detail == "" {
		return fmt.Sprintf("mesh: %s %s: %s", verb, who, e.Reason)
	}
	return fmt.Sprintf("mesh: %s %s: %s: %s", verb, who, e.Reason, e.Detail)
}

func (e *RefusedError) Unwrap() error {
	if e.Reason == meshinfo.ReasonSameID {
		return ErrSameID
	}
	return nil
}

const (
	complainEvery = 10 * time.Minute
	maxRefusals   = 64
	maxComplaints = 20 // a minute, whatever they are about
)

// refused counts a refusal, and reports it if it is the first of its kind for a while: a node with a wrong secret calls
// for ever, and from many ports.
func (n *Node) refused(e *RefusedError, ip string) {
	if e.Reason == meshinfo.ReasonDuplicate {
		return
	}
	key := fmt.Sprint(ip, e.Peer, e.Reason, e.ByPeer)
	now := time.Now()
	n.mu.Lock()
	r := n.refusals[key]
	if r == nil {
		if len(n.refusals) >= maxRefusals {
			n.dropOldestRefusal()
		}
		r = &meshinfo.Refusal{Peer: e.Peer, ID: e.ID, Reason: e.Reason, ByPeer: e.ByPeer, First: now}
		n.refusals[key] = r
	}
	r.Addr, r.Detail, r.Last = e.Addr, e.Detail, now
	r.Count++
	n.mu.Unlock()
	n.complain("refused "+key, e)
}

func (n *Node) dropOldestRefusal() {
	oldest := ""
	for key, r := range n.refusals {
		if oldest == "" || r.Last.Before(n.refusals[oldest].Last) {
			oldest = key
		}
	}
	delete(n.refusals, oldest)
}

// complain reports err unless the same key was reported within ten minutes.
func (n *Node) complain(key string, err error) {
	if n.cfg.OnError == nil {
		return
	}
	now := time.Now()
	n.mu.Lock()
	if last, ok := n.complained[key]; ok && now.Sub(last) < complainEvery {
		n.mu.Unlock()
		return
	}
	if now.Sub(n.complaintsSince) > time.Minute {
		n.complaintsSince, n.complaints = now, 0
	}
	if n.complaints++; n.complaints > maxComplaints {
		n.mu.Unlock()
		return
	}
	if len(n.complained) >= 4*maxRefusals { // strangers choose the keys: never grow for them
		clear(n.complained)
	}
	n.complained[key] = now
	n.mu.Unlock()
	n.cfg.OnError(err)
}
