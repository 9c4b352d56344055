package health

// Tracker derives up and down from consecutive results. The zero value has no
// results, and is neither up nor down. It is not safe for concurrent use.
type Tracker struct {
	Rise int // consecutive passed checks that end a down; 0 is 2
	Fall int // consecutive failed checks that end an up; 0 is 3

	known       bool // up or down, rather than new
	up          bool
	passed      bool // the last result
	consecutive int
	demand      bool // until it is up, or Fail
}

// Add adds a result and reports whether it changed the state. If the very first
// check passes, the backend is up: Rise counts only after a down.
func (t *Tracker) Add(passed bool) (changed bool) {
	if passed == t.passed {
		t.consecutive++
	} else {
		t.passed, t.consecutive = passed, 1
	}
	switch {
	case passed && !t.known, passed && !t.up && t.consecutive >= t.rise():
		changed, t.known, t.up, t.demand = true, true, true, false
	case !passed && (t.up || !t.known) && t.consecutive >= t.fall():
		changed, t.known, t.up = true, true, false
	}
	return changed
}

// Follow copies the state of another Tracker, whose latest consecutive results
// were the same, and reports whether this changed the state. If known is false,
// the state stays as it is.
func (t *Tracker) Follow(known, up, passed bool, consecutive int) (changed bool) {
	t.passed, t.consecutive = passed, max(consecutive, 1)
	if !known {
		return false
	}
	changed = !t.known || t.up != up
	t.known, t.up, t.demand = true, up, false
	return changed
}

// Reset discards all results; the next ones decide the state afresh.
func (t *Tracker) Reset() { *t = Tracker{Rise: t.Rise, Fall: t.Fall} }

// Demand discards passed results: from now on, Rise consecutive results must
// pass.
func (t *Tracker) Demand() { *t = Tracker{Rise: t.Rise, Fall: t.Fall, known: true, demand: true} }

// Demanding reports whether a Demand is neither met nor failed.
func (t *Tracker) Demanding() bool { return t.demand }

// Fail ends a demand; the backend is down.
func (t *Tracker) Fail() { t.demand = false }

// Up reports whether the backend is up.
func (t *Tracker) Up() bool    { return t.up }
func (t *Tracker) Known() bool { return t.known }

// Passed reports whether the last check passed.
func (t *Tracker) Passed() bool { return t.passed }

// Consecutive returns how many of the latest results were the same.
func (t *Tracker) Consecutive() int { return t.consecutive }

// Threshold returns how many consecutive results like the last one change the
// state, or would if the state were the other.
func (t *Tracker) Threshold() int {
	switch {
	case !t.passed:
		return t.fall()
	case !t.known:
		return 1
	}
	return t.rise()
}

func (t *Tracker) rise() int { return orDefault(t.Rise, 2) }
func (t *Tracker) fall() int { return orDefault(t.Fall, 3) }

func orDefault(n, def int) int {
	if n <= 0 {
		return def
	}
	return n
}
