package proxy

import (
	"cmp"
	"maps"
	"slices"
	"sort"
)

// ReasonCount is the number of failures with one reason.
type ReasonCount struct {
	Reason Reason `json:"reason"`
	Count  int64  `json:"count"`
}

// PlanCount is the number of ended plans of a service with one kind and result.
type PlanCount struct {
	Kind  string `json:"kind"`  // kind of plan: restart, window or roll
	State string `json:"state"` // result: done, failed, aborted or timed_out
	Count int64  `json:"count"`
}

// TLSFailure is the number of failed TLS handshakes of a service with one side
// and reason, except those of checks.
type TLSFailure struct {
	Side   string `json:"side"` // peer of the handshake: client or backend
	Reason Reason `json:"reason"`
	Count  int64  `json:"count"`
}

// CheckCounts is the number and the outcome of the checks of one backend since
// the start.
type CheckCounts struct {
	Total    int64         `json:"total"`
	Seconds  float64       `json:"seconds"` // total time that they took
	Failures []ReasonCount `json:"failures,omitempty"`
}

func (c *ReasonCount) less(o ReasonCount) int { return cmp.Compare(c.Reason, o.Reason) }
func (c *PlanCount) less(o PlanCount) int {
	return cmp.Or(cmp.Compare(c.Kind, o.Kind), cmp.Compare(c.State, o.State))
}
func (c *TLSFailure) less(o TLSFailure) int {
	return cmp.Or(cmp.Compare(c.Side, o.Side), cmp.Compare(c.Reason, o.Reason))
}

func (c *ReasonCount) count() *int64 { return &c.Count }
func (c *PlanCount) count() *int64   { return &c.Count }
func (c *TLSFailure) count() *int64  { return &c.Count }

// kind is a pointer to a value that says what has happened and how often. In a key the
// count is 0.
type kind[T any] interface {
	*T
	count() *int64
	less(T) int
}

// kindsOf returns counts in a fixed order, with those of more added; nil: none.
func kindsOf[T comparable, P kind[T]](counts map[T]int64, more ...T) (all []T) {
	counts = maps.Clone(counts)
	for _, one := range more {
		n := *P(&one).count()
		*P(&one).count() = 0
		if counts == nil {
			counts = map[T]int64{}
		}
		counts[one] += n
	}
	for one, n := range counts {
		*P(&one).count() = n
		all = append(all, one)
	}
	sort.Slice(all, func(i, j int) bool { return P(&all[i]).less(all[j]) < 0 })
	return all
}

// add adds another process's counts for a backend of the same name.
func (c *CheckCounts) add(o *CheckCounts) {
	c.Total += o.Total
	c.Seconds += o.Seconds
	c.Failures = kindsOf(nil, append(slices.Clone(c.Failures), o.Failures...)...)
}

// checkStats are the results of a backend's checks in this process. They are guarded by
// the service's queue.
type checkStats struct {
	total   int64
	seconds float64
	failed  map[ReasonCount]int64
}

// addLocked counts one check.
func (st *checkStats) addLocked(seconds float64, failed Reason) {
	st.total++
	st.seconds += seconds
	if failed == "" {
		return
	}
	if st.failed == nil {
		st.failed = map[ReasonCount]int64{}
	}
	st.failed[ReasonCount{Reason: failed}]++
}

// infoLocked returns nil if no check was made.
func (st *checkStats) infoLocked() *CheckCounts {
	if st.total == 0 {
		return nil
	}
	return &CheckCounts{Total: st.total, Seconds: st.seconds, Failures: kindsOf(st.failed)}
}
