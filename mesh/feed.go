package mesh

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/tcpctl/tcpctl/mesh/meshinfo"
)

// feedEntry is what a hub says about one node: its state, which the receiver takes on trust, and its newest record,
// which the node itself has signed.
type feedEntry struct {
	id     string
	state  meshinfo.State // Alive, Suspect or Down
	cause  meshinfo.Cause // of Down
	rtt    time.Duration  // between the hub and the node; 0: not known
	addr   netip.AddrPort // where the hub reaches it; zero: unknown
	signed []byte         // nil: the receiver has it
}

// Which nodes a node asks a hub to report on.
const (
	feedNone   = 0
	feedAll    = 1 // all nodes that the hub reaches, itself or through other hubs
	feedLinked = 2 // only those it is linked to: hubs ask each other for these, so that no report goes in circles
)

var (
	feedStates = []meshinfo.State{meshinfo.Alive, meshinfo.Suspect, meshinfo.Down}
	feedCauses = []meshinfo.Cause{"", meshinfo.Departed, meshinfo.Crashed, meshinfo.Unresponsive, meshinfo.Unreachable, meshinfo.GaveUp}
)

const (
	maxFeed      = 256 << 10 // bytes of one message; further entries go into the next
	maxFeedAddr  = 64
	feedOverhead = 2 + 4 + idBytes + 1 + maxFeedAddr + 4
)

// appendTo appends the entry: state, cause, round trip in microseconds (4 bytes), id (16), address and signed record, the
// last two with their lengths (1 and 4 bytes).
func (e *feedEntry) appendTo(b []byte) []byte {
	b = append(b, byte(slices.Index(feedStates, e.state)), byte(max(0, slices.Index(feedCauses, e.cause))))
	b = binary.BigEndian.AppendUint32(b, uint32(min(e.rtt, time.Minute).Microseconds()))
	id, err := hex.DecodeString(e.id)
	if err != nil || len(id) != idBytes {
		panic("mesh: ids in a feed are made of keys")
	}
	b = append(b, id...)
	addr := ""
	if e.addr.IsValid() {
		addr = e.addr.String()
	}
	b = append(append(b, byte(len(addr))), addr...)
	return append(binary.BigEndian.AppendUint32(b, uint32(len(e.signed))), e.signed...)
}

var errFeed = errors.New("mesh: a hub's report on other nodes cannot be read")

func parseFeed(b []byte) (entries []feedEntry, err error) {
	for len(b) > 0 {
		var e feedEntry
		if b, err = e.parse(b); err != nil {
			return nil, err
		}
		entries = append(entries, e)
	}
	return entries, nil
}

// parse reads one entry and returns what follows it.
func (e *feedEntry) parse(b []byte) ([]byte, error) {
	const fixed = 2 + 4 + idBytes + 1
	if len(b) < fixed || int(b[0]) >= len(feedStates) || int(b[1]) >= len(feedCauses) {
		return nil, errFeed
	}
	e.state, e.cause = feedStates[b[0]], feedCauses[b[1]]
	e.rtt = time.Duration(binary.BigEndian.Uint32(b[2:])) * time.Microsecond
	e.id = hex.EncodeToString(b[6:][:idBytes])
	size, b := int(b[fixed-1]), b[fixed:]
	if size > maxFeedAddr || len(b) < size+4 || e.rtt > time.Minute {
		return nil, errFeed
	}
	if size > 0 {
		addr, err := netip.ParseAddrPort(string(b[:size]))
		if err != nil || checkAddr(addr) != nil || addr.Addr().Zone() != "" {
			return nil, fmt.Errorf("%w: an address", errFeed)
		}
		e.addr = addr
	}
	b = b[size:]
	signed := binary.BigEndian.Uint32(b)
	if b = b[4:]; uint64(signed) > uint64(min(len(b), maxSigned)) {
		return nil, errFeed
	}
	if signed > 0 {
		e.signed = b[:signed]
	}
	return b[signed:], nil
}

// feedMessages returns what has changed for the other side of l since the last call: nodes that came, went or changed state
// and, if records is set, those with a new record.
func (l *link) feedMessages(records bool) (out [][]byte) {
	n := l.node
	n.mu.Lock()
	defer n.mu.Unlock()
	if l.feed == feedNone || !n.isHub() {
		return nil
	}
	first := l.fedStates == 0
	message := []byte{msgFeed}
	for _, p := range n.peers {
		newState, newRecord := first || p.stateNo > l.fedStates, l.fedRecords == 0 || p.signedNo > l.fedRecords
		if p == l.peer || p.signed == nil || !newState && !(records && newRecord) {
			continue
		}
		e := p.feedEntry(l)
		if first && e.state == meshinfo.Down {
			continue // it does not know this node
		}
		if newRecord && e.state != meshinfo.Down {
			e.signed = p.signed.encoded
		}
		if len(message)+feedOverhead+len(e.signed) > maxFeed {
			out = append(out, message)
			message = []byte{msgFeed}
		}
		message = e.appendTo(message)
	}
	l.fedStates = n.feedNo
	if records {
		l.fedRecords = n.feedNo
	}
	if len(message) > 1 {
		out = append(out, message)
	}
	return out
}

// feedEntry returns the entry to send over l, without the record. Called with node.mu held.
func (p *peer) feedEntry(l *link) feedEntry {
	e := feedEntry{id: p.id, state: p.state, cause: p.cause, rtt: p.rtt}
	if l.feed == feedLinked && (p.link == nil || !p.link.wasAlive) {
		e.state, e.cause = meshinfo.Down, p.lostBy
	}
	if via := p.via(); p.link == nil && via != nil {
		e.rtt = via.rtt + via.by.peer.rtt
	}
	if len(p.addrs) > 0 && p.addrs[0].Addr().Zone() == "" && (!p.addrs[0].Addr().IsLoopback() || l.addr.Addr().IsLoopback()) {
		e.addr = p.addrs[0]
	}
	return e
}

// feedChanged makes a hub report a change of the peer's state, or of its record alone. Called with node.mu held.
func (p *peer) feedChanged(state bool) {
	n := p.node
	if !n.isHub() {
		return
	}
	n.feedNo++
	p.signedNo = n.feedNo // with each state, too: receivers that learn it is back may have missed a record while it was down
	if state {
		p.stateNo = n.feedNo
	}
	for _, l := range n.links {
		if l.feed != feedNone && l.peer != p {
			l.out.post(func(o *outgoing) { o.feed, o.feedRecords = o.feed || state, o.feedRecords || !state })
		}
	}
}

// gotFeedWanted handles msgFeedWanted: the peer asks this hub to report on other nodes, or to stop.
func (l *link) gotFeedWanted(body []byte) {
	l.node.mu.Lock()
	defer l.node.mu.Unlock()
	if len(body) != 1 || body[0] > feedLinked {
		return
	}
	l.feed, l.fedStates, l.fedRecords = body[0], 0, 0
	if l.feed != feedNone {
		l.node.feedNo++ // more than 0, which means "nothing sent yet"
		l.out.post(func(o *outgoing) { o.feed, o.feedRecords = true, true })
	}
}
