package mesh

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/tcpctl/tcpctl/mesh/internal/plain"
)

// The messages of a link: a frame each, its first byte the kind. An unknown kind is skipped, for what comes later.
const (
	msgBeat   = 'h' // a heartbeat
	msgRecord = 'r' // the sender's record: eight bytes of number, then the record
	msgPeers  = 'p' // whom the sender is connected to
	msgWatch  = 'w' // one byte: somebody is watching there, or not
	msgBye    = 'b' // the sender is leaving
	msgByeAck = 'B'
	msgGone   = 'c' // eight bytes: this connection of the program's was closed
	msgGaveUp = 'g' // the sender gives the receiver up, and nothing follows: why, in words
)

// beat is a heartbeat. The round trip is now - Echo - Held, by the clock of one side alone, and needs no answer of its own.
type beat struct {
	Clock time.Duration // the sender's
	Echo  time.Duration // the newest Clock that the sender has from the receiver
	Held  time.Duration // how long ago it got that
	Want  bool          // answer at once
}

func (b beat) encode() []byte {
	out := make([]byte, 0, 26)
	out = append(out, msgBeat)
	for _, d := range []time.Duration{b.Clock, b.Echo, b.Held} {
		out = binary.BigEndian.AppendUint64(out, uint64(d))
	}
	if b.Want {
		return append(out, 1)
	}
	return append(out, 0)
}

func parseBeat(body []byte) (beat, error) {
	if len(body) < 25 {
		return beat{}, fmt.Errorf("mesh: a heartbeat of %d bytes", len(body))
	}
	at := func(i int) time.Duration { return time.Duration(binary.BigEndian.Uint64(body[i:])) }
	b := beat{Clock: at(0), Echo: at(8), Held: at(16), Want: body[24] == 1}
	if b.Clock < 0 || b.Echo < 0 || b.Held < 0 {
		return beat{}, fmt.Errorf("mesh: a heartbeat from before the beginning")
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

// told is one peer as another peer tells of it.
type told struct {
	ID    string           `json:"id"`
	Name  string           `json:"name"`
	Addrs []netip.AddrPort `json:"addrs"`
}

const maxTold = 512

func encodePeers(peers []told) []byte {
	body, err := json.Marshal(peers)
	if err != nil {
		panic("mesh: plain values do not fail to encode: " + err.Error())
	}
	return append([]byte{msgPeers}, body...)
}

func parsePeers(body []byte) ([]told, error) {
	var peers []told
	if err := json.Unmarshal(body, &peers); err != nil {
		return nil, fmt.Errorf("mesh: list of peers: %w", err)
	}
	if len(peers) > maxTold {
		return nil, fmt.Errorf("mesh: list of %d peers: the limit is %d", len(peers), maxTold)
	}
	for i, p := range peers {
		if !plain.ID(p.ID) || !plain.Name(p.Name) || len(p.Addrs) > maxAddrs {
			return nil, fmt.Errorf("mesh: list of peers: bad entry %d", i)
		}
		peers[i].Addrs = slices.DeleteFunc(p.Addrs, func(a netip.AddrPort) bool {
			return checkAddr(a) != nil || a.Addr().Zone() != ""
		})
	}
	return peers, nil
}
