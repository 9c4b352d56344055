package upgrade

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// TestPhases is the protocol as a table: any other event ends the handover, or is ignored.
func TestPhases(t *testing.T) {
	type row struct {
		from phase
		on   event
		to   phase
		acts []act
	}
	for who, side := range map[string]struct {
		step func(phase, event) (phase, []act)
		rows []row
	}{
		"predecessor": {phase.asPredecessor, []row{
			{offered, isReady, started, []act{stopListening, sayGo}},
			{offered, isAccepting, failed, []act{kill}},
			{offered, isSettled, failed, []act{kill}},
			{offered, hasFailed, failed, []act{kill}},
			{offered, hasDied, failed, []act{kill}},
			{offered, isLate, failed, []act{kill}},
			{offered, isStopped, failed, []act{kill}},
			{started, isAccepting, accepting, []act{yield}},
			{started, isReady, failed, []act{kill, resume}},
			{started, hasFailed, failed, []act{kill, resume}},
			{started, hasDied, failed, []act{kill, resume}},
			{started, isLate, failed, []act{kill, resume}},
			{started, isStopped, failed, []act{kill, resume}},
			{accepting, isSettled, released, []act{release}},
			{accepting, isReady, failed, []act{kill, resume}},
			{accepting, hasFailed, failed, []act{kill, resume}},
			{accepting, hasDied, failed, []act{kill, resume}},
			{accepting, isLate, failed, []act{kill, resume}},
			{accepting, isStopped, failed, []act{sayStop}},
			{released, hasDied, released, nil},
			{failed, hasDied, failed, nil},
		}},
		"successor": {phase.asSuccessor, []row{
			{offered, isReady, started, []act{sayReady}},
			{offered, hasDied, offered, nil},
			{offered, hasFailed, failed, []act{sayFailed}},
			{offered, isStopped, failed, []act{sayFailed}},
			{started, mayGo, accepting, []act{accept, sayAccepting}},
			{started, hasDied, accepting, []act{accept, sayAccepting}},
			{started, hasReleased, failed, []act{sayFailed}},
			{started, isLate, failed, []act{sayFailed}},
			{started, isStopped, failed, []act{sayFailed}},
			{accepting, isSettled, settled, []act{saySettled}},
			{accepting, hasDied, released, []act{own}},
			{accepting, isStopped, released, []act{stop}},
			{accepting, mayGo, accepting, nil},
			{settled, isStopped, released, []act{stop}},
			{settled, hasReleased, released, []act{own}},
			{settled, hasDied, released, []act{own}},
			{settled, isLate, released, []act{own}},
			{released, hasDied, released, nil},
			{failed, hasDied, failed, nil},
		}},
	} {
		for _, r := range side.rows {
			if to, acts := side.step(r.from, r.on); to != r.to || !slices.Equal(acts, r.acts) {
				t.Errorf("%s, %s, event %d: %s %v; want %s %v", who, r.from, r.on, to, acts, r.to, r.acts)
			}
		}
	}
}

// world is the state of both processes, and the messages on their way between them.
type world struct {
	pred, succ           phase
	predLives, succLives bool
	listens, accepts     bool // accept clients: the predecessor, the successor
	predOwns, succOwns   bool // the mesh, and the name of main process
	holds                bool // the predecessor has the descriptors
	stopped              bool
	toPred, toSucc       string // messages as letters; the first is next
	predLate             bool   // a deadline has passed for a process that hangs
	succLate             bool
}

var letters = map[act]struct {
	to     bool // the predecessor
	letter string
}{sayReady: {true, "r"}, sayAccepting: {true, "a"}, saySettled: {true, "s"}, sayFailed: {true, "f"}, sayGo: {false, "g"}}

var heard = map[byte]event{'r': isReady, 'a': isAccepting, 's': isSettled, 'f': hasFailed, 'g': mayGo, 'l': hasReleased, 'x': isStopped}

func (w world) predecessor(e event) world {
	var acts []act
	w.pred, acts = w.pred.asPredecessor(e)
	for _, a := range acts {
		switch a {
		case stopListening:
			w.listens = false
		case resume:
			w.listens = true
		case release:
			w.holds, w.predOwns = false, false
			w.toSucc += "l"
		case kill:
			w.succLives, w.accepts, w.succOwns = false, false, false
		case sayStop:
			w.toSucc += "x"
		case sayGo:
			w.toSucc += "g"
		}
	}
	if e == isStopped {
		w.stopped, w.predLives, w.listens, w.holds, w.predOwns = true, false, false, false, false
	}
	return w
}

func (w world) successor(e event) world {
	var acts []act
	w.succ, acts = w.succ.asSuccessor(e)
	for _, a := range acts {
		switch a {
		case accept:
			w.accepts = true
		case own:
			w.succOwns = true
		case stop:
			w.accepts, w.succLives = false, false
		}
		if l := letters[a]; l.to {
			w.toPred += l.letter
		}
	}
	if w.succ == failed {
		w.succLives = false
	}
	return w
}

// moves returns all that can happen next: usual events, and what can go wrong.
func (w world) moves() (usual, wrong map[string]world) {
	usual, wrong = map[string]world{}, map[string]world{}
	predWaits := w.predLives && w.pred < settled
	succWaits := w.succLives && w.succ < released
	if predWaits {
		switch {
		case w.toPred != "":
			next := w
			next.toPred = w.toPred[1:]
			usual["pred hears "+w.toPred[:1]] = next.predecessor(heard[w.toPred[0]])
		case !w.succLives:
			usual["pred hears the end"] = w.predecessor(hasDied)
		}
		late := w.predecessor(isLate)
		late.predLate = true
		wrong["pred is tired"] = late
		wrong["pred is stopped"] = w.predecessor(isStopped)
	}
	if succWaits {
		switch {
		case w.toSucc != "":
			next := w
			next.toSucc = w.toSucc[1:]
			usual["succ hears "+w.toSucc[:1]] = next.successor(heard[w.toSucc[0]])
		case !w.predLives && w.succ != offered:
			usual["succ hears the end"] = w.successor(hasDied)
		}
		if w.succ == offered {
			usual["succ has opened"] = w.successor(isReady)
		}
		if w.succ == accepting {
			usual["succ has lived"] = w.successor(isSettled)
		}
		if w.succ == started || w.succ == settled {
			late := w.successor(isLate)
			late.succLate = true
			wrong["succ is tired"] = late
		}
	}
	if w.predLives {
		next := w
		next.predLives, next.listens, next.predOwns, next.holds = false, false, false, false
		wrong["kill pred"] = next
	}
	if w.succLives {
		next := w
		next.succLives, next.accepts, next.succOwns = false, false, false
		wrong["kill succ"] = next
	}
	return usual, wrong
}

// TestEveryHandover goes through all events in every order, with one kill, timeout or stop at every
// moment. Both processes never accept at a time; at the end one of the live ones does, and owns the
// rest.
func TestEveryHandover(t *testing.T) {
	seen := map[string]bool{}
	ends := 0
	var visit func(w world, faults int, path []string)
	visit = func(w world, faults int, path []string) {
		key := fmt.Sprint(w, faults)
		if seen[key] {
			return
		}
		seen[key] = true
		problem := ""
		usual, wrong := w.moves()
		switch {
		case w.listens && w.accepts:
			problem = "both accept"
		case w.predOwns && w.succOwns && !w.succLate:
			problem = "both own"
		case w.predLives && w.pred < settled && !w.holds:
			problem = "the descriptors are gone before the commit"
		case w.stopped && len(usual) == 0 && w.succLives:
			problem = "stopped, and the new one lives"
		case len(usual) > 0 || w.stopped:
		case w.predLives && w.pred != released && !w.listens:
			problem = "the old one lives and does not accept"
		case w.predLives && w.pred != released && !w.predOwns:
			problem = "the old one lives and is not the main process"
		case w.predLives && w.pred == released && faults == 0 && !(w.accepts && w.succOwns):
			problem = "committed, and no process accepts"
		case !w.predLives && w.succLives && !(w.accepts && w.succOwns):
			problem = "the new one is alone, and does not take over"
		}
		if len(usual) == 0 {
			ends++
		}
		if problem != "" {
			t.Errorf("%s: %s\n%+v", strings.Join(path, ", "), problem, w)
			return
		}
		for name, next := range usual {
			visit(next, faults, append(slices.Clone(path), name))
		}
		if faults > 0 || w.stopped {
			return // only one of the two may fail
		}
		for name, next := range wrong {
			visit(next, faults+1, append(slices.Clone(path), name))
		}
	}
	visit(world{predLives: true, succLives: true, listens: true, predOwns: true, holds: true}, 0, nil)
	if len(seen) < 50 || ends < 10 {
		t.Errorf("only %d worlds, %d ends", len(seen), ends)
	}
}
