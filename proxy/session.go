package proxy

import (
	"net/netip"
	"slices"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/tcpctl/tcpctl/lock"
	"github.com/tcpctl/tcpctl/proxy/internal/exchange"
	"github.com/tcpctl/tcpctl/proxy/relay"
)

// Session is one client from accept to record. It is a small state machine, which
// a runner advances by events. It never blocks, and it does not know whether
// goroutines or an event loop wait for it. It owns the connections of both sides
// from open to record; nothing else closes them.
type Session struct {
	runnerState relay.RunnerState
	waiter      lock.Waiter

	service *Service
	runs    atomic.Pointer[relay.Runner]
	number  uint64
	stage   uint8

	// Each field costs memory for every idle session, so most times are counted from
	// the first, and what few sessions need is separate.
	bypass         bool // pauses do not hold it
	headerAsked    bool // reading its PROXY header has begun
	accessChecked  bool // by the access rules
	handshakeAsked bool // its protocol's handshake has begun
	countedPerIP   bool // counted by its address
	countedWaiting bool // counted as waiting by its address
	joined         bool // it has waited in the queue, if only for a moment
	dialTimedOut   bool // the last dial took too long
	encrypted      bool // its TLS handshake is done
	countedTotal   bool // counted as accepted
	countedOpening bool // counted by its address as a connection without a handshake
	detached       bool // not a session, for now
	copying        bool // relaying, before the last Ended

	// Guarded by the service's queue, since the gate decides about it.
	released  bool // admitted by a release, but not served yet
	dismissed bool // asked to end while it waits

	// Guarded likewise.
	backend *Backend      // whose capacity the session holds
	last    *Backend      // the last backend
	granted time.Duration // since opened, if the session has a backend

	protocol *protocolClient // nil: no Protocol

	client, server *relay.Side

	opened    time.Time
	dialled   time.Duration // since opened
	connected time.Duration // since opened; 0: not connected
	half      time.Duration // since opened: when the first side ended

	frozenBefore time.Duration // how long the queue's clock had been stopped when the session began to wait
	waited       time.Duration // until admitted; 0: at once
	dials        int32
	requeues     int32
	rare         *rareState // nil: none
	ending       *ending    // why the session ends; nil: it does not

	// What other goroutines may read at any time.
	phase     atomic.Uint32
	verifying atomic.Bool
	relaying  atomic.Pointer[Backend]
	serverNow atomic.Pointer[relay.Side]

	prev, next *Session // in live
}

// stages are a session's stages in order. Each returns what follows.
var stages = [...]stage{open, admit, dial, relayBytes, record}

type stage func(*Session, relay.Event) transition

type transition uint8

const (
	wait    transition = iota // for the next event
	next                      // to the next stage
	requeue                   // back to admit, in its old position
	end                       // to the record
)

const (
	atAdmit  = 1
	atDial   = 2
	atRecord = uint8(len(stages) - 1)
)

// Step advances the session by one event. A panic ends this session and no other.
func (s *Session) Step(ev relay.Event) {
	defer s.stepPanicked()
	if ev.Err != nil && s.broughtPanic(ev) {
		return
	}
	traced := s.service.engine.traced()
	for {
		if traced {
			s.traceEvent(ev)
		}
		a := stages[s.stage](s, ev)
		if traced {
			s.traceTransition(ev, a)
		}
		switch a {
		case wait:
			return
		case next:
			s.stage++
		case requeue:
			s.stage = atAdmit
		case end:
			s.stage = atRecord
		}
		ev = relay.Event{Kind: relay.Begin}
	}
}

// RunnerState returns the state that the runner keeps for the session.
func (s *Session) RunnerState() *relay.RunnerState { return &s.runnerState }

// runner is the session's present runner; see moveToStream.
func (s *Session) runner() relay.Runner { return *s.runs.Load() }

// Granted is called by the queue while it is locked: it only records the grant
// and posts a message.
func (s *Session) Granted(w *lock.Waiter) {
	s.service.stats.waitEndedLocked(s, s.opened.Add(s.granted))
	s.runner().Post(s, relay.Event{Kind: relay.Granted})
}

// ID returns the short id of the session.
func (s *Session) ID() string { return sessionID(s.number) }

func sessionID(number uint64) string {
	text := [21]byte{'s'}
	return string(strconv.AppendUint(text[:1], number, 10))
}

// ending says which side ended a session, in which phase, and why.
type ending struct {
	by, phase    string
	reason       Reason
	detail       string         // free text
	who          string         // the operator who ended it
	reset        bool           // both sides see a reset
	cut          bool           // it was live, and ended by us or the backend's death
	refused      bool           // it was refused before it waited
	dialTimedOut bool           // a backend took too long
	clientFirst  bool           // the client's stream had ended before the backend's
	clientReset  bool           // the client was gone when the backend reset
	local        netip.AddrPort // our address that the client used; not valid: a Unix socket, or unknown
}

// endRequest asks a session to end.
type endRequest struct {
	by     string
	reason Reason
	detail string
	who    string   // the operator who asks
	live   bool     // only if the session has a backend
	on     *Backend // only if it has this backend
}

// signal asks the session to end. Any lock may be held.
func (s *Session) signal(o endRequest) {
	s.runner().Post(s, relay.Event{Kind: relay.Signal, Arg: o})
}

// details is the free text of an ending, with the operator.
func (e *ending) details() string {
	switch {
	case e.who == "":
		return e.detail
	case e.detail == "":
		return "by " + e.who
	}
	return "by " + e.who + ": " + e.detail
}

// endWith records why the session ends, the first time, and returns the transition to
// the record.
func (s *Session) endWith(e ending) transition {
	if s.ending == nil {
		first := e // otherwise each e would be on the heap
		s.ending = &first
	}
	return end
}

// rareState is state that only few sessions have.
type rareState struct {
	exchange *exchange.Watch // its requests and replies; nil: not followed
	retryState
	sharing
	token uint64 // of its slot (SharedGrant); guarded by the queue while the session waits
}

// retryState is what a session remembers of failed dials. It changes only while the
// session does not wait.
type retryState struct {
	tried   []*Backend // tried without success since the grant
	retryAt time.Time
	lack    bool // the last dial failed for lack of our own resources
}

// hasTried reports whether the session could not reach b since its grant.
func (s *Session) hasTried(b *Backend) bool {
	return s.rare != nil && slices.Contains(s.rare.tried, b)
}

// Phases by number, as in Session.phase.
const (
	inQueue uint32 = iota
	inConnect
	inRelay
)

var phaseNames = [...]string{PhaseQueue, PhaseConnect, PhaseRelay}

// via is the name of a client's protocol.
func via(g *protocolClient, encrypted bool) string {
	switch {
	case g != nil:
		return g.via
	case encrypted:
		return "tls"
	}
	return "tcp"
}

// bytes returns the bytes from and to the client so far.
func (s *Session) bytes() (in, out int64) { return s.client.In(), s.client.Out() }
