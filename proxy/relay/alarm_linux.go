package relay

// alarm is one time at which a loop has something to do. It is kept inside
// what it is for, so that setting one allocates nothing.
type alarm struct {
	at    int64 // since start
	place int32 // in the heap, from 1; 0: not set
	whose ringer
}

type ringer interface{ ring(*loop) }

// alarms is a heap by time. A clock of a session that has moved on, like its
// idle time, rings once in vain and is set anew: so no byte touches a timer.
type alarms []*alarm

func (h *alarms) set(a *alarm, at int64, r ringer) {
	h.drop(a)
	a.at, a.whose = at, r
	*h = append(*h, a)
	a.place = int32(len(*h))
	h.up(len(*h) - 1)
}

func (h *alarms) drop(a *alarm) {
	if a.place == 0 {
		return
	}
	i, last := int(a.place)-1, len(*h)-1
	h.swap(i, last)
	(*h)[last] = nil
	*h = (*h)[:last]
	a.place = 0
	if i < last {
		h.down(i)
		h.up(i)
	}
}

// due takes out the first alarm whose time has come.
func (h *alarms) due(now int64) *alarm {
	if len(*h) == 0 || (*h)[0].at > now {
		return nil
	}
	a := (*h)[0]
	h.drop(a)
	return a
}

func (h alarms) swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].place, h[j].place = int32(i+1), int32(j+1)
}

func (h alarms) up(i int) {
	for i > 0 && h[i].at < h[(i-1)/2].at {
		h.swap(i, (i-1)/2)
		i = (i - 1) / 2
	}
}

func (h alarms) down(i int) {
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
