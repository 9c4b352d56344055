package tui

import (
	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/proxy/api"
	"github.com/tcpctl/tcpctl/themes"
)

// sign shows a state by a mark, a word and a role: never by colour alone. The marks are ASCII on
// purpose.
type sign struct {
	mark rune
	word string
	role themes.Role
}

func (s sign) text() string { return string(s.mark) + " " + s.word }

var (
	signUp     = sign{'+', "UP", themes.StateUp}
	signDrain  = sign{'~', "DRAIN", themes.StateDrain}
	signMaint  = sign{'=', "MAINT", themes.StateMaint}
	signRemove = sign{'~', "REMOVE", themes.StateDrain}
	signDown   = sign{'!', "DOWN", themes.StateDown}
	signCheck  = sign{'?', "CHECK", themes.StateCheck}
	signEject  = sign{'x', "EJECT", themes.StateError}
	signError  = sign{'x', "ERROR", themes.StateError}
	signIdle   = sign{'o', "IDLE", themes.StateIdle}
)

// backendSign gives an operator's state precedence over checks: a drained backend that is also down
// is shown as drained, and its CHECK column says the rest.
func backendSign(b *proxy.BackendInfo) sign {
	switch {
	case b.Removing:
		return signRemove
	case b.Admin == proxy.AdminDrain:
		return signDrain
	case b.Admin == proxy.AdminMaint:
		return signMaint
	case b.State == proxy.StateDown:
		return signDown
	case b.State == proxy.StateChecking:
		return signCheck
	case b.State == proxy.StateEjected:
		return signEject
	case b.Reason == "standby" || b.Reason == "priority":
		return signIdle // up, but its priority is not needed now
	}
	return signUp
}

func serviceSign(s *proxy.ServiceInfo) sign {
	if s.Removing {
		return signRemove
	}
	switch s.State {
	case proxy.StatePausing:
		return sign{'~', "PAUSING", themes.StateDrain}
	case proxy.StatePaused:
		return sign{'=', "PAUSED", themes.StateMaint}
	case proxy.StateReleasing:
		return sign{'~', "RELEASE", themes.StateDrain}
	case proxy.StateClosed:
		return sign{'x', "CLOSED", themes.StateError}
	}
	return sign{'+', "OPEN", themes.StateUp}
}

// totals is the counts over all services, for the header.
type totals struct {
	backends, up, drain, maint, down, checking int
	waiting, active                            int
	paused, closed                             int
}

func totalsOf(s *api.Status) (c totals) {
	for i := range s.Services {
		svc := &s.Services[i]
		c.waiting += svc.Queue.Waiting
		c.active += svc.Sessions.Active
		switch {
		case svc.State == proxy.StatePausing, svc.State == proxy.StatePaused:
			c.paused++
		case svc.State == proxy.StateClosed && !svc.Removing:
			c.closed++
		}
		for j := range svc.Backends {
			c.backends++
			switch backendSign(&svc.Backends[j]).mark {
			case '+', 'o':
				c.up++
			case '~':
				c.drain++
			case '=':
				c.maint++
			case '?':
				c.checking++
			default:
				c.down++
			}
		}
	}
	return c
}
