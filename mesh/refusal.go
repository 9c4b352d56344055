package mesh

import (
	"errors"
	"fmt"
	"time"

	"github.com/tcpctl/tcpctl/mesh/meshinfo"
)

// ErrSameID is wrapped by a *RefusedError when two nodes have one id: a Config.ID or Config.Key was copied.
var ErrSameID = errors.New("two nodes have the same id")

// RefusedError says why this node refused to connect to a peer, or was refused by
// it.
type RefusedError struct {
	Peer   string // name of the peer, if it sent one
	ID     string // and its id
	Addr   string
	Reason meshinfo.Reason
	Detail string
	ByPeer bool // whether the peer refused this node
}

func (e *RefusedError) Error() string {
	peer, verb := e.Addr, "refused"
	if e.Peer != "" {
		peer = fmt.Sprintf("%s (%s)", e.Peer, e.Addr)
	}
	if e.ByPeer {
		verb = "refused by"
	}
	if e.Detail == "" {
		return fmt.Sprintf("mesh: %s %s: %s", verb, peer, e.Reason)
	}
	return fmt.Sprintf("mesh: %s %s: %s: %s", verb, peer, e.Reason, e.Detail)
}

// Unwrap returns ErrSameID for meshinfo.ReasonSameID, else nil.
func (e *RefusedError) Unwrap() error {
	if e.Reason == meshinfo.ReasonSameID {
		return ErrSameID
	}
	return nil
}

const (
	reportEvery = 10 * time.Minute
	maxRefusals = 64
	maxReports  = 20 // per minute, over all keys
)

// countRefusal counts a refusal, and reports it if it is the first of its kind for a while: a node with a wrong secret dials
// for ever, and from many ports.
func (n *Node) countRefusal(e *RefusedError, ip string) {
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
	n.reportError("refused "+key, e)
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

// reportError calls OnError unless an error of the same key was reported within ten minutes.
func (n *Node) reportError(key string, err error) {
	if n.cfg.OnError == nil {
		return
	}
	now := time.Now()
	n.mu.Lock()
	if last, ok := n.reported[key]; ok && now.Sub(last) < reportEvery {
		n.mu.Unlock()
		return
	}
	if now.Sub(n.reportsSince) > time.Minute {
		n.reportsSince, n.reports = now, 0
	}
	if n.reports++; n.reports > maxReports {
		n.mu.Unlock()
		return
	}
	if len(n.reported) >= 4*maxRefusals { // other nodes choose the keys: bound the map
		clear(n.reported)
	}
	n.reported[key] = now
	n.mu.Unlock()
	n.cfg.OnError(err)
}
