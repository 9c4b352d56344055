package cluster

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"time"
)

const (
	ms     = time.Millisecond
	second = time.Second
)

// A sim is a whole cluster in one goroutine: processes with clocks of their own, a
// network between them that delays, reorders, duplicates and loses messages, and
// clients. The same seed is always the same run.
type sim struct {
	seed   uint64
	rng    *rand.Rand
	now    time.Duration
	begin  time.Duration // the trace begins here
	events events
	count  int // number of events so far, to break ties
	procs  []*proc
	cut    [8][8]bool // from, to
	rough  bool       // messages are lost, duplicated and late
	lease  time.Duration
	serves bool // engines report for themselves, also on plans of a backend
	trace  *strings.Builder
	check  checker
	open   func(SimEnv) (SimLog, error) // nil: the log is simLog
	shares bool                         // nodes share the slots of db
	calm   time.Duration                // since when there are no faults; 0: there are faults
}

type event struct {
	at time.Duration
	n  int
	do func()
}

// events are a heap. container/heap would allocate for each of a hundred million events.
type events []event

func (e events) less(i, j int) bool {
	return e[i].at < e[j].at || e[i].at == e[j].at && e[i].n < e[j].n
}

func (e *events) push(x event) {
	h := append(*e, x)
	for i := len(h) - 1; i > 0; {
		up := (i - 1) / 2
		if !h.less(i, up) {
			break
		}
		h[i], h[up] = h[up], h[i]
		i = up
	}
	*e = h
}

func (e *events) pop() event {
	h := *e
	first, n := h[0], len(h)-1
	h[0], h[n] = h[n], event{}
	h = h[:n]
	for i := 0; ; {
		least := i
		for down := 2*i + 1; down <= 2*i+2 && down < n; down++ {
			if h.less(down, least) {
				least = down
			}
		}
		if least == i {
			break
		}
		h[i], h[least] = h[least], h[i]
		i = least
	}
	*e = h
	return first
}

// after calls do after some simulated time.
func (s *sim) after(d time.Duration, do func()) {
	s.count++
	s.events.push(event{s.now + d, s.count, do})
}

// step runs the next event and then checks what must hold at any time.
func (s *sim) step() {
	e := s.events.pop()
	s.now = e.at
	e.do()
	s.check.always()
}

// run runs until a time, or until a check fails.
func (s *sim) run(until time.Duration) {
	for len(s.events) > 0 && s.events[0].at <= until && s.check.err == nil {
		s.step()
	}
	s.now = max(s.now, until)
}

func (s *sim) tracef(format string, args ...any) {
	if s.trace != nil {
		fmt.Fprintf(s.trace, "%8.3f %s\n", (s.now - s.begin).Seconds(), fmt.Sprintf(format, args...))
	}
}

// ms returns a random time between two numbers of milliseconds.
func (s *sim) ms(from, to int) time.Duration {
	return time.Duration(from*1000+s.rng.IntN((to-from)*1000+1)) * time.Microsecond
}

func (s *sim) chance(percent int) bool { return s.rng.IntN(100) < percent }

// send delivers a message, unless the network loses it.
func (s *sim) send(from, to NodeID, do func(p *proc)) {
	p := s.procs[to-1]
	times := 1
	if s.rough && from != to {
		switch r := s.rng.IntN(100); {
		case r < 2:
			times = 0
		case r < 4:
			times = 2
		}
	}
	for range times {
		delay := time.Millisecond
		switch {
		case s.rough && s.chance(3):
			delay = s.ms(1, 700)
		case s.rough:
			delay = time.Duration(200+s.rng.IntN(1500)) * time.Microsecond
		}
		if from == to {
			delay = 10 * time.Microsecond
		}
		s.after(delay, func() {
			if !s.cut[from][to] {
				p.deliver(func() { do(p) })
			}
		})
	}
}

// newSim builds a cluster of three voters and more nodes, all with clients. quiet makes
// clocks and network ideal, for stories. The caller boots it.
func newSim(seed uint64, nodes int, quiet bool, trace *strings.Builder) *sim {
	s := &sim{seed: seed, rng: rand.New(rand.NewPCG(seed, 1)), lease: 1500 * time.Millisecond, rough: !quiet, serves: !quiet && seed%2 == 0, trace: trace}
	s.check.init(s)
	for i := range nodes {
		p := &proc{sim: s, id: NodeID(i + 1), rate: 1000, disk: &disk{snapshot: NewState("sim").Snapshot()}}
		if !quiet {
			// The fastest and the slowest clock differ by 10 %.
			p.rate, p.offset = int64(952+s.rng.IntN(96)), s.ms(0, 1000_000)
			switch s.rng.IntN(4) {
			case 0:
				p.rate = 952
			case 1:
				p.rate = 1047
			}
		}
		s.procs = append(s.procs, p)
	}
	return s
}

// boot starts all processes.
func (s *sim) boot() *sim {
	for _, p := range s.procs {
		p.start()
	}
	return s
}

// leader returns the process that was elected last, or nil.
func (s *sim) leader() (found *proc) {
	var term uint64
	for _, p := range s.procs {
		if p.log == nil {
			continue
		}
		if t, ok := p.log.leading(); ok && (found == nil || t > term) {
			found, term = p, t
		}
	}
	return found
}
