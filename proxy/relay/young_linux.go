package relay

import "time"

// young is a line of backend connections that have no keep-alive yet. It is
// four system calls, and the most sessions end long before the first probe
// would be sent; so it is set only for those that have lived for a while.
type young struct {
	line  []newborn
	alarm alarm
}

type newborn struct {
	at         int64
	slot       int32
	generation int32
	keepAlive  int32 // seconds, as the kernel has it
}

// childhood is how long that is, and childhoods how often those are looked at.
const (
	childhood   = int64(5 * time.Second)
	growUpEvery = int64(time.Second)
)

func (y *young) add(l *loop, s *Side, sock Sock) {
	if s.slot == noSlot || sock.KeepAlive < 0 {
		return
	}
	y.line = append(y.line, newborn{l.now, s.slot, l.slots.at(s.slot).generation, seconds(sock.keepAlive().Idle)})
	if y.alarm.place == 0 {
		l.alarms.set(&y.alarm, l.now+childhood, y)
	}
}

func (y *young) ring(l *loop) {
	n := 0
	for n < len(y.line) && y.line[n].at+childhood <= l.now {
		b := y.line[n]
		if at := l.slots.at(b.slot); at.generation == b.generation {
			if s, ok := at.who.(*Side); ok {
				Sock{KeepAlive: time.Duration(b.keepAlive) * time.Second}.keepAliveOn(s.fd)
			}
		}
		n++
	}
	y.line = append(y.line[:0], y.line[n:]...)
	if len(y.line) > 0 {
		l.alarms.set(&y.alarm, l.now+growUpEvery, y)
	} else {
		y.line = nil
	}
}
