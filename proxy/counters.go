package proxy

import "slices"

// A process that takes over from another continues its counters: what only grows in a
// ServiceInfo is the sum over all processes so far.

// sumOf adds up several processes' counters, by service.
func sumOf(all ...*Remaining) (sum []ServiceInfo) {
	at := map[string]int{}
	for _, r := range all {
		for i := range r.Counters {
			c := &r.Counters[i]
			n, known := at[c.Name]
			if !known {
				n = len(sum)
				at[c.Name] = n
				sum = append(sum, ServiceInfo{Name: c.Name})
			}
			sum[n].addAll(c)
		}
	}
	return sum
}

// addAll adds the counters of c to the sum i.
func (i *ServiceInfo) addAll(c *ServiceInfo) {
	for _, b := range c.Backends {
		if !slices.ContainsFunc(i.Backends, func(have BackendInfo) bool { return have.Name == b.Name }) {
			i.Backends = append(i.Backends, BackendInfo{Name: b.Name})
		}
	}
	if c.Hook != nil && i.Hook == nil {
		i.Hook = &HookInfo{}
	}
	i.addCounters(c)
}

// addCounters adds the counters of c to those that i has.
func (i *ServiceInfo) addCounters(c *ServiceInfo) {
	i.Sessions.Total += c.Sessions.Total
	i.Sessions.add(&c.Sessions)
	i.Queue.add(&c.Queue)
	i.BytesIn += c.BytesIn
	i.BytesOut += c.BytesOut
	i.Times.Connect.add(c.Times.Connect)
	i.Times.Wait.add(c.Times.Wait)
	i.Times.Session.add(c.Times.Session)
	if i.Hook != nil && c.Hook != nil {
		i.Hook.Runs += c.Hook.Runs
		i.Hook.Fails += c.Hook.Fails
		i.Hook.Seconds += c.Hook.Seconds
	}
	i.addEndings(c)
	i.TLSFailures = kindsOf(nil, append(i.TLSFailures, c.TLSFailures...)...)
	i.Plans = kindsOf(nil, append(i.Plans, c.Plans...)...)
	for n := range i.Backends {
		b := &i.Backends[n]
		for _, was := range c.Backends {
			if was.Name == b.Name {
				b.Total += was.Total
				b.Failed += was.Failed
				b.Transitions += was.Transitions
				b.Ejections += was.Ejections
				b.BytesIn += was.BytesIn
				b.BytesOut += was.BytesOut
				b.Peak = max(b.Peak, was.Peak)
				if was.Checks != nil {
					if b.Checks == nil {
						b.Checks = &CheckCounts{}
					}
					b.Checks.add(was.Checks)
				}
			}
		}
	}
}

// add adds everything except the total, which is added separately.
func (n *SessionCounts) add(c *SessionCounts) {
	n.Failed += c.Failed
	n.Cut += c.Cut
	n.Rejected += c.Rejected
	n.Redispatched += c.Redispatched
}

func (q *QueueInfo) add(c *QueueInfo) {
	q.Granted += c.Granted
	q.Abandoned += c.Abandoned
	q.TimedOut += c.TimedOut
	q.Kicked += c.Kicked
}

func (i *ServiceInfo) addEndings(c *ServiceInfo) {
	endings, closes := map[EndingInfo]int64{}, map[int]int64{}
	for _, from := range []*ServiceInfo{i, c} {
		for _, e := range from.Endings {
			n := e.Count
			e.Count = 0
			endings[e] += n
		}
		for _, k := range from.Closes {
			closes[k.Code] += k.Count
		}
	}
	i.Endings, i.Closes = endingsOf(endings), closesOf(closes)
}

// add adds the counts of another histogram, which may come from another version with
// other bounds.
func (h *Histogram) add(o Histogram) {
	if h.Counts == nil {
		h.Bounds, h.Counts = o.Bounds, make([]int64, len(o.Counts))
	}
	for n, count := range o.Counts {
		bucket := len(h.Bounds)
		if n < len(o.Bounds) {
			bucket, _ = slices.BinarySearch(h.Bounds, o.Bounds[n])
		}
		h.Counts[min(bucket, len(h.Counts)-1)] += count
	}
	h.Sum += o.Sum
}
