package exchange

import (
	"bytes"
	"encoding/binary"
	"slices"
)

// postgres reads PostgreSQL's protocol, version 3. A session is idle if its last
// ReadyForQuery said that no transaction is open and nothing was requested since.
// https://www.postgresql.org/docs/current/protocol-flow.html
type postgres struct {
	begun   bool // the client has sent something
	phase   pgPhase
	startup []byte // the startup packet so far
	front   pgMessages
	back    pgMessages
	broken  string

	// owed are the requests that end with a ReadyForQuery: a simple query (Q), a Sync
	// (S) or the startup (0).
	owed    []byte
	asked   bool // a request that is not ended by a Sync yet
	copying bool // COPY from the client: a Sync is ignored until its end
	ready   bool // the last ReadyForQuery, and nothing but notices since
	never   bool // the session must not be ended: replication, LISTEN, or it ends by itself
}

type pgPhase uint8

const (
	pgStartup pgPhase = iota // the client sends a startup packet next
	pgSSL                    // one byte of the backend says whether TLS follows
	pgOpen
)

// Codes in place of a version, and the largest startup packet (PostgreSQL's
// MAX_STARTUP_PACKET_LENGTH).
const (
	pgCancel      = 80877102
	pgSSLRequest  = 80877103
	pgGSSRequest  = 80877104
	pgVersion3    = 3
	pgMostStartup = 10000
	pgMostOwed    = 1 << 12 // pipelined requests: with more the session stays busy
)

func (p *postgres) unreadable() string { return p.broken }

func (p *postgres) idle() bool {
	if !p.begun {
		return true // connected, but nothing was sent
	}
	return p.phase == pgOpen && p.ready && !p.never && !p.asked && len(p.owed) == 0 && p.front.between() && p.back.between()
}

func (p *postgres) client(b []byte) {
	p.begun = p.begun || len(b) > 0
	for len(b) > 0 && p.broken == "" {
		switch p.phase {
		case pgOpen:
			b = p.front.next(b, &p.broken, p.request, p.requested)
		case pgSSL:
			p.broken = foreign // the client does not wait for the answer
		default:
			b = p.takeStartup(b)
		}
	}
}

// takeStartup takes bytes of a startup packet.
func (p *postgres) takeStartup(b []byte) (rest []byte) {
	if len(p.startup) == 0 && b[0] == tlsHandshake {
		p.broken = encrypted // without a request, as from version 17 on
		return nil
	}
	want := 8
	if len(p.startup) >= 8 {
		want = int(binary.BigEndian.Uint32(p.startup))
	}
	n := min(len(b), want-len(p.startup))
	p.startup = append(p.startup, b[:n]...)
	if len(p.startup) < 8 {
		return b[n:]
	}
	size, code := binary.BigEndian.Uint32(p.startup), binary.BigEndian.Uint32(p.startup[4:])
	switch {
	case size < 8 || size > pgMostStartup:
		p.broken = foreign
	case len(p.startup) < int(size):
	case code == pgSSLRequest || code == pgGSSRequest:
		p.phase, p.startup = pgSSL, nil
	case code == pgCancel:
		p.phase, p.never, p.startup = pgOpen, true, nil
	case code>>16 == pgVersion3:
		p.never = replicates(p.startup[8:])
		p.phase, p.startup, p.owed = pgOpen, nil, append(p.owed, 0)
	default:
		p.broken = foreign
	}
	return b[n:]
}

// replicates reports whether the parameters of a startup ask for replication.
func replicates(params []byte) bool {
	all := bytes.Split(params, []byte{0})
	for i := 0; i+1 < len(all); i += 2 {
		if string(all[i]) == "replication" {
			return !slices.Contains([]string{"false", "off", "no", "0"}, string(bytes.ToLower(all[i+1])))
		}
	}
	return false
}

// requested is called when a client's message is complete: a session that listens must
// not be ended, since its notifications would be lost.
func (p *postgres) requested(kind byte, start []byte) {
	if kind == 'P' { // the statement's name comes first
		_, start, _ = bytes.Cut(start, []byte{0})
	}
	if word := bytes.Fields(start); (kind == 'Q' || kind == 'P') && len(word) > 0 && bytes.EqualFold(word[0], []byte("listen")) {
		p.never = true
	}
}

// request is called when the head of a client's message is complete.
func (p *postgres) request(kind byte) {
	p.ready = false
	switch kind {
	case 'S':
		if p.copying {
			return // the backend ignores it
		}
		p.asked = false
		p.owe(kind)
	case 'Q', 'F':
		p.owe(kind)
	case 'c', 'f':
		p.copying = false
	case 'd', 'p': // part of a COPY; part of the startup
	case 'X':
		p.never = true
	default:
		p.asked = true
	}
}

func (p *postgres) owe(kind byte) {
	if p.owed = append(p.owed, kind); len(p.owed) > pgMostOwed {
		p.owed, p.never = nil, true
	}
}

func (p *postgres) backend(b []byte) {
	if p.phase == pgSSL && len(b) > 0 {
		switch b[0] {
		case 'N':
			p.phase, b = pgStartup, b[1:]
		case 'S', 'G':
			p.broken = encrypted
		default: // a server that does not know the request answers with an error and closes
			p.never, p.phase = true, pgOpen
		}
	}
	for len(b) > 0 && p.broken == "" {
		b = p.back.next(b, &p.broken, nil, p.reply)
	}
}

// reply is called when a message of the backend is complete.
func (p *postgres) reply(kind byte, start []byte) {
	switch kind {
	case 'Z':
		if len(p.owed) > 0 {
			p.owed = p.owed[1:]
		}
		p.ready, p.copying = string(start) == "I", false
	case 'N', 'S': // a notice, a parameter's new value
	case 'A':
		p.never = true // the session listens
	case 'G':
		p.copying = true
		for len(p.owed) > 0 && p.owed[0] == 'S' {
			p.owed = p.owed[1:] // an ignored Sync, as are those still to come
		}
		p.ready, p.asked = false, p.asked || len(p.owed) == 0
	default:
		p.ready = false
	}
}

// pgMessages splits one direction into messages: a kind, a length that counts
// itself, and a body.
type pgMessages struct {
	head  [5]byte
	got   int    // bytes of the head
	left  int64  // bytes of the body still to come
	start []byte // of the body: enough to identify the statement
}

// pgStart is how much of a body is kept: a statement's name and first word.
const pgStart = 64

// between reports whether no message has begun.
func (m *pgMessages) between() bool { return m.got == 0 }

// next takes the bytes of one message, or of part of one.
func (m *pgMessages) next(b []byte, broken *string, begun func(kind byte), whole func(kind byte, start []byte)) (rest []byte) {
	if m.got < len(m.head) {
		n := copy(m.head[m.got:], b)
		m.got, b = m.got+n, b[n:]
		if m.got < len(m.head) {
			return b
		}
		size := int32(binary.BigEndian.Uint32(m.head[1:]))
		if size < 4 {
			*broken = foreign
			return nil
		}
		m.left, m.start = int64(size)-4, m.start[:0]
		if begun != nil {
			begun(m.head[0])
		}
	}
	n := min(int64(len(b)), m.left)
	m.start = append(m.start, b[:min(n, int64(pgStart-len(m.start)))]...)
	m.left -= n
	if m.left == 0 {
		m.got = 0
		if whole != nil {
			whole(m.head[0], m.start)
		}
	}
	return b[n:]
}
