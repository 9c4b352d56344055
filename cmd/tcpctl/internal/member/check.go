package member

import (
	"context"
	"time"
)

// A checkUser is one check of a backend, which waits for a slot as a client does.
type checkUser struct {
	service string
	asked   chan struct{} // signals that there may be a slot
	lost    context.CancelFunc
}

func (u *checkUser) Service() string { return u.service }
func (u *checkUser) Cut([]uint64)    { u.lost() }

func (u *checkUser) Ask() {
	select {
	case u.asked <- struct{}{}:
	default:
	}
}

// CheckSlot has a handle of its own, whose only arrival the check is. A slot that wants a hook to run
// first is left to a client.
func (h *handle) CheckSlot(ctx context.Context, most time.Duration, expired bool) (held context.Context, release func(), ok bool) {
	held, lost := context.WithCancel(ctx)
	u := &checkUser{service: h.user.Service(), asked: make(chan struct{}, 1), lost: lost}
	own := h.member.handle(h.service, u)
	release = func() {
		own.Done(1)
		own.Close()
		lost()
	}
	late := time.After(most)
	own.WaitingUpTo(1)
	for {
		grant, why := own.Admit(1, 0)
		if why == "" && grant.Expired && expired && !grant.Hook {
			grant, why = own.Admit(1, grant.Token) // no hook has to run: otherwise the slot would return and stay unused
		}
		if why == "" {
			return held, release, !grant.Hook && !grant.Expired
		}
		select {
		case <-u.asked:
		case <-late:
			return held, release, false
		case <-held.Done():
			return held, release, false
		}
	}
}
