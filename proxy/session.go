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

	// What a session is made of costs memory for each that is idle, so most
	// times are counted from the first, and what few sessions need is apart.
	bypass         bool // a pause does not hold it
	headerAsked    bool // its PROXY header has been asked for
	accessChecked  bool // by the access rules
	handshakeAsked bool // its protocol's handshake has been asked for
	countedPerIP   bool // in its address's account
	countedWaiting bool // in its address's account of those that wait
	joined         bool // it has waited in the queue, if only for a moment
	dialTimedOut   bool // the last dial took too long
	encrypted      bool // its TLS handshake is done
	countedTotal   bool // it has been counted among those that have come
	countedOpening bool // in its address's account of those without a handshake yet
	detached       bool // it is no session, for now
	copying        bool // the runner relays, and has not sent the last Ended

	// Guarded by the service's queue, since the gate decides about it.
	released  bool // admitted by a release, and not served yet
	dismissed bool // asked to end while it waits

	// Likewise.
	backend *Backend      // whose capacity it holds
	last    *Backend      // the last one that it held
	granted time.Duration // after it was opened, if it has a backend

	protocol *protocolClient // nil: its client speaks no Protocol

	client, server *relay.Side

	opened    time.Time
	dialled   time.Duration // after it was opened
	connected time.Duration // and 0: it has not come to that
	half      time.Duration // when the first side ended

	frozenBefore time.Duration // the queue's account of standing still when it began to wait
	waited       time.Duration // until it was admitted; 0: it was at once
	dials        int32
	requeues     int32
	rare         *rareState // nil: it has none of it
	ending       *ending    // why it ends; nil while it goes on

	// What other goroutines may read at any time.
	phase     atomic.Uint32
	verifying atomic.Bool
	relaying  atomic.Pointer[Backend]
	serverNow atomic.Pointer[relay.Side]

	prev, next *Session // in live
}

// stages is a session's whole way. Each stage answers what comes next.
var stages = [...]stage{open, admit, dial, relayBytes, record}

type stage func(*Session, relay.Event) transition

type transition uint8

const (
	wait    transition = iota // for the next event
	next                      // stage
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

// runner does the session's waiting; see moveToStream.
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
	detail       string         // free text beside it
	who          string         // the operator, by whose act
	reset        bool           // both sides see a reset
	cut          bool           // it was live, and we or the backend's death ended it
	refused      bool           // before it waited: it never waited
	dialTimedOut bool           // a backend took too long
	clientFirst  bool           // the client's stream had ended before the backend's
	clientReset  bool           // the client was gone when the backend reset
	local        netip.AddrPort // our own address, to which the client came; not valid: it is a Unix socket's, or nobody asks
}

// endRequest asks a session from outside to end.
type endRequest struct {
	by     string
	reason Reason
	detail string
	who    string   // the operator, by whose act
	live   bool     // only if it has a backend
	on     *Backend // only if it has this one
}

// signal asks the session to end. Any lock may be held.
func (s *Session) signal(o endRequest) {
	s.runner().Post(s, relay.Event{Kind: relay.Signal, Arg: o})
}

// details are the free text of an ending, with the operator.
func (e *ending) details() string {
	switch {
	case e.who == "":
		return e.detail
	case e.detail == "":
		return "by " + e.who
	}
	return "by " + e.who + ": " + e.detail
}

// endWith remembers why the session ends, the first time, and goes to the
// record.
func (s *Session) endWith(e ending) transition {
	if s.ending == nil {
		first := e // or each e would be on the heap
		s.ending = &first
	}
	return end
}

// rareState is what only few sessions have.
type rareState struct {
	exchange *exchange.Watch // its requests and replies; nil: they are not followed
	retryState
	sharing
	token uint64 // of its slot (SharedGrant); guarded by the queue while it waits
}

// retryState is what a session remembers of dials that failed. It changes only
// while the session does not wait.
type retryState struct {
	tried   []*Backend // that it could not reach since it was granted
	retryAt time.Time
	lack    bool // the last was for want of something of our own
}

// hasTried says whether the session could not reach b since it was granted.
func (s *Session) hasTried(b *Backend) bool {
	return s.rare != nil && slices.Contains(s.rare.tried, b)
}

// Phases by number, as Session.phase has them.
const (
	inQueue uint32 = iota
	inConnect
	inRelay
)

var phaseNames = [...]string{PhaseQueue, PhaseConnect, PhaseRelay}

// viaName is how its client speaks.
func (s *Session) viaName() string { return via(s.protocol, s.encrypted) }

func via(g *protocolClient, encrypted bool) string {
	switch {
	case g != nil:
		return g.via
	case encrypted:
		return "tls"
	}
	return "tcp"
}

// bytes are those from and to the client so far.
func (s *Session) bytes() (in, out int64) { return s.client.In(), s.client.Out() }
