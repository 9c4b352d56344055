package health

// Tracker turns a row of results into up and down. The zero value has seen
// nothing: neither.
type Tracker struct {
	Rise int // good results in a row that end a down; 0 is 2
	Fall int // bad ones that end an up; 0 is 3

	known  bool // up or down, rather than new
	up     bool
	ok     bool // the last result
	streak int
	demand bool // until it is up, or Fail
}

// Add takes one more result and reports whether it changed the state. The
// first good result of all makes it up: rise counts only after a down.
func (j *Tracker) Add(ok bool) (changed bool) {
	if ok == j.ok {
		j.streak++
	} else {
		j.ok, j.streak = ok, 1
	}
	switch {
	case ok && !j.known, ok && !j.up && j.streak >= j.rise():
		changed, j.known, j.up, j.demand = true, true, true, false
	case !ok && (j.up || !j.known) && j.streak >= j.fall():
		changed, j.known, j.up = true, true, false
	}
	return changed
}

// Reset forgets all: the next state is decided anew.
func (j *Tracker) Reset() { *j = Tracker{Rise: j.Rise, Fall: j.Fall} }

// Demand forgets what was good: only results that come from now on count, and
// rise of them in a row are needed.
func (j *Tracker) Demand() { *j = Tracker{Rise: j.Rise, Fall: j.Fall, known: true, demand: true} }

// Demanding says that what was demanded has not come yet.
func (j *Tracker) Demanding() bool { return j.demand }

// Fail ends a demand: it is down.
func (j *Tracker) Fail() { j.demand = false }

// Up says whether it is up, and Known whether that has been decided at all.
func (j *Tracker) Up() bool    { return j.up }
func (j *Tracker) Known() bool { return j.known }

// Passed says whether the last result was good.
func (j *Tracker) Passed() bool { return j.ok }

// Consecutive is how many of the last results were alike, and Threshold how many in a
// row change the state, or would if they were not alike.
func (j *Tracker) Consecutive() int { return j.streak }

func (j *Tracker) Threshold() int {
	switch {
	case !j.ok:
		return j.fall()
	case !j.known:
		return 1
	}
	return j.rise()
}

func (j *Tracker) rise() int { return orDefault(j.Rise, 2) }
func (j *Tracker) fall() int { return orDefault(j.Fall, 3) }

func orDefault(n, def int) int {
	if n <= 0 {
		return def
	}
	return n
}
