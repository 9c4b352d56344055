package cluster

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "TestStories writes testdata/*.txt")

// A story is a run without randomness, whose trace is for readers.
type story struct {
	*sim
	t *testing.T
}

// stories are the runs with a file in testdata, by its name.
var stories = []struct {
	name, title string
	slots       uint64
	tell        func(s *story)
}{
	{"grant_release", "Clients of two nodes share one slot, in the order in which they came.", 1, func(s *story) {
		s.arrive(1, 100*ms)
		s.pass(20 * ms)
		s.arrive(4, 50*ms)
		s.pass(20 * ms)
		s.arrive(1, 10*ms)
		s.pass(300 * ms)
	}},
	{"requeue", "A dial fails: the client keeps its place before those that came later.", 1, func(s *story) {
		s.procs[0].queue("db").arrive(30*ms, 0, 1)
		s.pass(3 * ms)
		s.arrive(4, 10*ms)
		s.pass(200 * ms)
	}},
	{"abandoned", "A waiter goes away: it gets no slot and delays no other.", 1, func(s *story) {
		s.arrive(1, 200*ms)
		s.pass(20 * ms)
		s.procs[3].queue("db").arrive(10*ms, 50*ms, 0)
		s.pass(20 * ms)
		s.arrive(3, 10*ms)
		s.pass(300 * ms)
	}},
	{"node_lost", "A node with a session and a waiter crashes: the slot moves when its lease is over, marked as expired.", 1, func(s *story) {
		s.arrive(4, time.Minute)
		s.pass(10 * ms)
		s.arrive(4, 10*ms)
		s.pass(10 * ms)
		s.arrive(1, 10*ms)
		s.pass(10 * ms)
		s.procs[3].crash()
		s.pass(4 * second)
	}},
	{"node_restarted", "A node crashes and is restarted: its slots are freed at once, as its old process is gone.", 1, func(s *story) {
		s.arrive(4, time.Minute)
		s.pass(10 * ms)
		s.arrive(1, 10*ms)
		s.pass(10 * ms)
		s.procs[3].crash()
		s.pass(500 * ms)
		s.start(s.procs[3])
		s.pass(time.Second)
	}},
	{"leader_change", "The leader crashes: held slots and waiters stay, and no lease ends.", 1, func(s *story) {
		holder, waiter := s.others()
		holder.queue("db").arrive(2*second, 0, 0)
		s.pass(20 * ms)
		waiter.queue("db").arrive(10*ms, 0, 0)
		s.pass(20 * ms)
		s.leader().crash()
		s.pass(20 * ms)
		s.arrive(4, 10*ms) // is sent to the old leader, and again to the new one
		s.pass(6 * second)
	}},
	{"cut_off", "A node is cut off: it ends its session before its slot moves. After healing, its waiter is at the end.", 1, func(s *story) {
		s.arrive(4, time.Minute)
		s.pass(10 * ms)
		s.arrive(4, 10*ms)
		s.pass(10 * ms)
		s.arrive(1, time.Second)
		s.pass(10 * ms)
		s.cutOff(s.procs[3], true, true)
		s.pass(3500 * ms)
		s.arrive(1, 10*ms)
		s.join(s.procs[3])
		s.pass(3 * second)
	}},
	{"short_cut", "A node is cut off for less than its lease: no session is ended, and its waiter keeps its place.", 1, func(s *story) {
		s.arrive(1, second)
		s.pass(10 * ms)
		s.arrive(4, 10*ms)
		s.pass(10 * ms)
		s.arrive(1, 10*ms)
		s.cutOff(s.procs[3], true, true)
		s.pass(700 * ms)
		s.join(s.procs[3])
		s.pass(2 * second)
	}},
	{"stopped", "A node is stopped for longer than its lease, as by SIGSTOP: when it continues, it ends its session before a byte is relayed.", 1, func(s *story) {
		s.arrive(4, time.Minute)
		s.pass(10 * ms)
		s.arrive(1, 5*second)
		s.procs[3].stop()
		s.pass(4 * second)
		s.procs[3].resume()
		s.pass(4 * second)
	}},
	{"window", "A pause over all nodes: quiet once each has reported so, or its lease is over; then the command, then all continue in order.", 2, func(s *story) {
		s.arrive(1, 300*ms)
		s.arrive(4, time.Minute)
		s.pass(50 * ms)
		owner := s.procs[0]
		s.act(owner, Op{Kind: OpPause, Service: "db", Max: time.Minute, Flag: true})
		s.pass(50 * ms)
		s.arrive(1, 10*ms)
		s.pass(10 * ms)
		s.arrive(3, 10*ms)
		s.procs[3].crash()
		for range 50 {
			if quiet, _ := s.check.truth.Quiet("db"); quiet {
				break
			}
			s.pass(100 * ms)
		}
		s.tracef("no session is live any more")
		plan := owner.agent.Facts("db").Plan.ID
		s.act(owner, Op{Kind: OpStep, Service: "db", Token: plan, From: uint64(Command)})
		s.pass(500 * ms)
		s.act(owner, Op{Kind: OpStep, Service: "db", Token: plan, From: uint64(Checking)})
		s.act(owner, Op{Kind: OpResume, Service: "db", Token: plan})
		s.pass(2 * second)
	}},
	{"window_leader_change", "The leader crashes while the command of a window runs: the service stays closed.", 1, func(s *story) {
		owner, other := s.others()
		s.act(owner, Op{Kind: OpPause, Service: "db", Max: 500 * ms, Flag: true})
		s.pass(600 * ms / 4)
		plan := owner.agent.Facts("db").Plan.ID
		s.act(owner, Op{Kind: OpStep, Service: "db", Token: plan, From: uint64(Command)})
		s.pass(100 * ms)
		other.queue("db").arrive(10*ms, 0, 0)
		s.leader().crash()
		s.pass(5 * second)
		s.act(owner, Op{Kind: OpStep, Service: "db", Token: plan, From: uint64(Checking)})
		s.act(owner, Op{Kind: OpResume, Service: "db", Token: plan})
		s.pass(second)
	}},
	{"hooks", "Every third token runs a hook while no other session is live.", 2, func(s *story) {
		s.act(s.procs[0], Op{Kind: OpHooks, Service: "db", From: 3, Flag: true})
		s.pass(20 * ms)
		for range 5 {
			s.arrive(1, 60*ms)
			s.arrive(4, 40*ms)
		}
		s.pass(2 * second)
	}},
	{"unable", "A node has no backend: its waiters keep their places, and those of others are served first.", 1, func(s *story) {
		s.procs[3].agent.Able("db", false)
		s.procs[3].agentDone()
		s.pass(10 * ms)
		s.arrive(4, 10*ms)
		s.pass(10 * ms)
		s.arrive(1, 300*ms)
		s.pass(10 * ms)
		s.arrive(3, 10*ms)
		s.pass(100 * ms)
		s.procs[3].agent.Able("db", true)
		s.procs[3].agentDone()
		s.pass(500 * ms)
	}},
}

func (s *story) arrive(node NodeID, hold time.Duration) {
	s.procs[node-1].queue("db").arrive(hold, 0, 0)
}

func (s *story) pass(d time.Duration) { s.run(s.now + d) }

func (s *story) act(p *proc, op Op) {
	s.t.Helper()
	if !p.agent.Act(p.clock(), op) {
		s.t.Fatalf("%v has no lease", p)
	}
	p.agentDone()
}

// others returns the two voters that do not lead.
func (s *story) others() (a, b *proc) {
	i := int(s.leader().id) - 1
	return s.procs[(i+1)%simVoters], s.procs[(i+2)%simVoters]
}

func TestStories(t *testing.T) {
	for _, st := range stories {
		t.Run(st.name, func(t *testing.T) {
			s := &story{newSim(3, 4, true, nil).boot(), t}
			s.run(3 * second)
			s.act(s.procs[0], Op{Kind: OpSlots, Service: "db", From: st.slots})
			s.run(3500 * ms)
			s.trace, s.begin = &strings.Builder{}, s.now
			s.tracef("voter %d leads; db has %d slots", s.leader().id, st.slots)
			st.tell(s)
			if s.check.err != nil {
				t.Errorf("%v\n%s", s.check.err, s.trace)
			}
			got := "# " + st.title + "\n\n" + s.trace.String()
			file := filepath.Join("testdata", st.name+".txt")
			if *update {
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if got != string(want) {
				t.Errorf("%s differs from the present trace (go test -update writes it):\n%s", file, got)
			}
		})
	}
}
