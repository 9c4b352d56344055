package mesh

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/tcpctl/tcpctl/mesh/internal/plain"
)

// The messages of a link: each is a frame whose first byte is the kind. Unknown kinds are skipped, so that later versions can
// add kinds.
const (
	msgHeartbeat  = 'h' // a heartbeat
	msgRecord     = 'r' // the sender's record: eight bytes of number, then the record
	msgPeers      = 'p' // the peers that the sender is connected to
	msgWatch      = 'w' // one byte: whether the sender's program has called Node.Watch
	msgGoodbye    = 'b' // the sender departs
	msgGoodbyeAck = 'B'
	msgConnClosed = 'c' // eight bytes: the number of a program's connection that was closed
	msgGaveUp     = 'g' // the reason, as text: the sender ends the link, and nothing follows

	// Only with hubs:
	msgHub        = 'm' // one byte, from a hub: whether there are more nodes than Config.FullUpTo
	msgSigned     = 's' // the sender's record, signed; or the receiver's own, if it has just sent an older one
	msgFeedWanted = 'q' // one byte: which nodes the sender wants reports on
	msgFeed       = 'f' // the nodes that the sender, a hub, reaches: feedEntry values
	msgSpare      = 'u' // one byte: whether the sender can do without this link
)

// heartbeat also measures the round trip: now - Echo - EchoAge, by the receiver's clock alone. It needs no reply of its
// own.
type heartbeat struct {
	Clock     time.Duration // the sender's
	Echo      time.Duration // the newest Clock that the sender got from the receiver
	EchoAge   time.Duration // how long ago the sender got Echo
	AnswerNow bool          // answer at once
}

func (b heartbeat) encode() []byte {
	out := make([]byte, 0, 26)
	out = append(out, msgHeartbeat)
	for _, d := range []time.Duration{b.Clock, b.Echo, b.EchoAge} {
		out = binary.BigEndian.AppendUint64(out, uint64(d))
	}
	if b.AnswerNow {
		return append(out, 1)
	}
	return append(out, 0)
}

func parseHeartbeat(body []byte) (heartbeat, error) {
	if len(body) < 25 {
		return heartbeat{}, fmt.Errorf("mesh: a heartbeat of %d bytes", len(body))
	}
	at := func(i int) time.Duration { return time.Duration(binary.BigEndian.Uint64(body[i:])) }
	b := heartbeat{Clock: at(0), Echo: at(8), EchoAge: at(16), AnswerNow: body[24] == 1}
	if b.Clock < 0 || b.Echo < 0 || b.EchoAge < 0 {
		return heartbeat{}, errors.New("mesh: a heartbeat with a negative time")
	}
	return b, nil
}

func encodeNumber(kind byte, number uint64, rest ...byte) []byte {
	return append(binary.BigEndian.AppendUint64([]byte{kind}, number), rest...)
}

func parseNumber(body []byte) (number uint64, rest []byte, err error) {
	if len(body) < 8 {
		return 0, nil, fmt.Errorf("mesh: a message of %d bytes: want 8 or more", len(body))
	}
	return binary.BigEndian.Uint64(body), body[8:], nil
}

// peerAddrs is where a peer listens, according to another peer.
type peerAddrs struct {
	ID    string           `json:"id"`
	Name  string           `json:"name"`
	Addrs []netip.AddrPort `json:"addrs"`
}

const maxPeerList = 512

func encodePeers(peers []peerAddrs) []byte {
	body, err := json.Marshal(peers)
	if err != nil {
		panic("mesh: encode a list of peers: " + err.Error())
	}
	return append([]byte{msgPeers}, body...)
}

func parsePeers(body []byte) ([]peerAddrs, error) {
	var peers []peerAddrs
	if err := json.Unmarshal(body, &peers); err != nil {
		return nil, fmt.Errorf("mesh: list of peers: %w", err)
	}
	if len(peers) > maxPeerList {
		return nil, fmt.Errorf("mesh: list of %d peers: the limit is %d", len(peers), maxPeerList)
	}
	for i, p := range peers {
		if !plain.ID(p.ID) || !plain.Name(p.Name) || len(p.Addrs) > maxAddrs {
			return nil, fmt.Errorf("mesh: list of peers: invalid entry %d", i)
		}
		peers[i].Addrs = slices.DeleteFunc(p.Addrs, func(a netip.AddrPort) bool {
			return checkAddr(a) != nil || a.Addr().Zone() != ""
		})
	}
	return peers, nil
}
