package health

// Tracker turns results, one after another, into up and down. The zero value
// has seen none: it is neither. It is not safe for concurrent use.
type Tracker struct {
	Rise int // passed checks in a row that end a down; 0 is 2
	Fall int // failed ones that end an up; 0 is 3

	known       bool // up or down, rather than new
	up          bool
	passed      bool // the last result
	consecutive int
	demand      bool // until it is up, or Fail
}

// Add takes one more result and reports whether it changed the state. The
// first check of all that passes makes it up: Rise counts only after a down.
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

// Follow takes the state of another Tracker, whose last results in a row were alike, and
// reports whether it changed this one's. One that does not know yet leaves this one's.
func (t *Tracker) Follow(known, up, passed bool, consecutive int) (changed bool) {
	t.passed, t.consecutive = passed, max(consecutive, 1)
	if !known {
		return false
	}
	changed = !t.known || t.up != up
	t.known, t.up, t.demand = true, up, false
	return changed
}

// Reset forgets all results: the next state is decided anew.
func (t *Tracker) Reset() { *t = Tracker{Rise: t.Rise, Fall: t.Fall} }

// Demand forgets what has passed: only results from now on count, and Rise of
// them in a row are needed.
func (t *Tracker) Demand() { *t = Tracker{Rise: t.Rise, Fall: t.Fall, known: true, demand: true} }

// Demanding says that what Demand asked for has neither come nor failed.
func (t *Tracker) Demanding() bool { return t.demand }

// Fail ends a demand: it is down.
func (t *Tracker) Fail() { t.demand = false }

// Up says whether it is up, and Known whether that has been decided at all.
func (t *Tracker) Up() bool    { return t.up }
func (t *Tracker) Known() bool { return t.known }

// Passed says whether the last check passed.
func (t *Tracker) Passed() bool { return t.passed }

// Consecutive is how many of the last results were alike.
func (t *Tracker) Consecutive() int { return t.consecutive }

// Threshold is how many results like the last one, in a row, change the state,
// or would if it were not theirs already.
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
