package proxy

import (
	"net/http"
	"strings"
	"time"
)

// closeReason is what a client of a Protocol gets at the end: an HTTP status while its
// handshake is unanswered, a code of RFC 6455 (section 7.4) afterwards.
type closeReason struct {
	silent bool // the client has left
	status int
	code   int
	text   string
}

const (
	closeNormal   = 1000
	closeGoing    = 1001 // we stop, or its backend does
	closeAbnormal = 1006 // never sent: there was no Close frame
	closePolicy   = 1008 // an operator or a rule
	closeInternal = 1011 // the backend failed
	closeTryLater = 1013 // it was never served
)

// retrySoon is when to retry if no better time is known.
const retrySoon = 5 * time.Second

// closeReason derives it from the session's ending.
func (s *Session) closeReason() closeReason {
	e := s.ending
	if e == nil {
		return closeReason{silent: true, code: closeGoing}
	}
	f := closeReason{status: http.StatusServiceUnavailable, code: closeTryLater, text: strings.ToValidUTF8(explain(e.reason, e.detail), "?")}
	switch {
	case e.by == ByClient:
		return closeReason{silent: true, code: closeNormal}
	case e.by == ByBackend && e.reason == ReasonFIN:
		return closeReason{code: closeNormal}
	case e.by == ByBackend:
		f.code, f.text = closeInternal, "the backend broke the connection"
	case e.reason == ReasonPanic:
		f.status, f.code, f.text = http.StatusInternalServerError, closeInternal, "internal error"
	case e.reason == ReasonShutdown, e.reason == ReasonDrainLimit, e.reason == ReasonPauseLimit, e.reason == ReasonQuietDrain, e.reason == ReasonLeaseLost:
		f.code = closeGoing
	case e.reason == ReasonKicked, e.phase == PhaseRelay, e.refused && !s.joined:
		f.code = closePolicy
	case e.dialTimedOut:
		f.status = http.StatusGatewayTimeout
	case e.reason == ReasonNoBackend:
		f.status, f.text = http.StatusBadGateway, "no backend is up"
	case e.reason == ReasonConnect, e.phase == PhaseConnect && s.rare != nil && len(s.rare.tried) > 0 && !s.rare.lack, s.requeues > 0:
		f.status = http.StatusBadGateway
	}
	return f
}

// retryAfter returns when a retry makes sense: after the pause, if there is one.
func (s *Session) retryAfter(f closeReason) (d time.Duration) {
	if f.silent || f.code == closePolicy {
		return 0
	}
	s.service.queue.View(func() {
		if p := s.service.pause.current; p != nil {
			d = time.Until(p.until)
		}
	})
	return max(d, retrySoon)
}
