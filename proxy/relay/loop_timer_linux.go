package relay

// timer calls its handler once per setting. It is a field of its owner, so that setting
// it allocates nothing.
type timer struct {
	at      int64 // since start
	index   int32 // in the heap, from 1; 0: not set
	handler timerHandler
}

type timerHandler interface{ onTimer(*loop) }

// timers is a heap ordered by time. A session's idle timer is not moved when a
// byte arrives: it fires, finds that the session was active, and is set again.
type timers []*timer

func (h *timers) set(t *timer, at int64, r timerHandler) {
	h.stop(t)
	t.at, t.handler = at, r
	*h = append(*h, t)
	t.index = int32(len(*h))
	h.up(len(*h) - 1)
}

func (h *timers) stop(t *timer) {
	if t.index == 0 {
		return
	}
	i, last := int(t.index)-1, len(*h)-1
	h.swap(i, last)
	(*h)[last] = nil
	*h = (*h)[:last]
	t.index = 0
	if i < last {
		h.down(i)
		h.up(i)
	}
}

// expired removes and returns the first timer that has expired, if any.
func (h *timers) expired(now int64) *timer {
	if len(*h) == 0 || (*h)[0].at > now {
		return nil
	}
	t := (*h)[0]
	h.stop(t)
	return t
}

func (h timers) swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].index, h[j].index = int32(i+1), int32(j+1)
}

func (h timers) up(i int) {
	for i > 0 && h[i].at < h[(i-1)/2].at {
		h.swap(i, (i-1)/2)
		i = (i - 1) / 2
	}
}

func (h timers) down(i int) {
	for {
		least := i
		for child := 2*i + 1; child <= 2*i+2 && child < len(h); child++ {
			if h[child].at < h[least].at {
				least = child
			}
		}
		if least == i {
			return
		}
		h.swap(i, least)
		i = least
	}
}
