package relay

import "time"

// young is a line of backend connections that have no keep-alive yet. It is
// four system calls, and the most sessions end long before the first probe
// would be sent; so it is set only for those that have lived for a while.
type young struct {
	line  [][]newborn // in pieces: growing a whole one copies it time and again
	alarm alarm
}

const newbornsAPiece = 256

type newborn struct {
	at         int64
	slot       int32
	generation int32
	keepAlive  int32 // seconds, as the kernel has it
}

// childhood is how long that is, and growUpEvery how often they are looked at.
const (
	childhood   = int64(5 * time.Second)
	growUpEvery = int64(time.Second)
)

func (y *young) add(l *loop, s *Side, sock Sock) {
	if s.slot == noSlot || sock.KeepAlive < 0 {
		return
	}
	if n := len(y.line); n == 0 || len(y.line[n-1]) == cap(y.line[n-1]) {
		y.line = append(y.line, make([]newborn, 0, newbornsAPiece))
	}
	piece := &y.line[len(y.line)-1]
	*piece = append(*piece, newborn{l.now, s.slot, l.slots.at(s.slot).generation, seconds(sock.keepAlive().Idle)})
	if y.alarm.place == 0 {
		l.alarms.set(&y.alarm, l.now+childhood, y)
	}
}

func (y *young) ring(l *loop) {
	for len(y.line) > 0 && y.growUp(l, &y.line[0]) {
		y.line = y.line[1:]
	}
	if len(y.line) > 0 {
		l.alarms.set(&y.alarm, l.now+growUpEvery, y)
	} else {
		y.line = nil
	}
}

// growUp gives those of a piece their keep-alive whose time has come, and says
// whether that were all.
func (y *young) growUp(l *loop, piece *[]newborn) bool {
	for ; len(*piece) > 0; *piece = (*piece)[1:] {
		b := (*piece)[0]
		if b.at+childhood > l.now {
			return false
		}
		if at := l.slots.at(b.slot); at.generation == b.generation {
			if s, ok := at.who.(*Side); ok {
				Sock{KeepAlive: time.Duration(b.keepAlive) * time.Second}.keepAliveOn(s.fd)
			}
		}
	}
	return true
}
