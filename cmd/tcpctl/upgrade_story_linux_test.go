package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/control"
	"github.com/tcpctl/tcpctl/proxy"
)

// kept is a session that stays over upgrades, and the process that has it.
type kept struct {
	*client
	pid int
}

// story is a series of upgrades. In every fourth, one of the two processes is killed.
type story struct {
	*upgradable
	load  *load
	kept  []kept
	pid   int // of the newest process
	lost  int64
	kills map[string]int
	epoch atomic.Int64 // counters may fall when it changes
}

// TestUpgradesUnderLoad: no client is refused, only sessions of a killed process are lost, and
// counters never fall. TCPCTL_UPGRADES=40 runs it longer.
func TestUpgradesUnderLoad(t *testing.T) {
	t.Parallel()
	times, err := strconv.Atoi(os.Getenv("TCPCTL_UPGRADES"))
	if err != nil {
		times = 8
	}
	s := &story{upgradable: runInstalled(t, nil), kills: map[string]int{}}
	s.pid = s.cmd.Process.Pid
	s.load = newLoad(t, s.addr(), 4)
	counters := s.watchCounters()
	for n := range times {
		s.load.more()
		s.keepOne()
		if n%4 == 3 {
			s.upgradeWithKill()
		} else {
			s.upgrade()
		}
		s.allLive()
	}
	s.load.more()
	s.load.end()
	seen := counters()
	if refused := s.load.refused.Load(); refused > 0 || s.load.lost.Load() != s.lost {
		t.Errorf("%d refused; %d lost, %d of them with no process killed", refused, s.load.lost.Load(), s.load.lost.Load()-s.lost)
	}
	t.Logf("%d upgrades, killed in them: %v; %d short sessions served, %d refused, %d lost with their process; %d looks at the counters",
		times, s.kills, s.load.served.Load(), s.load.refused.Load(), s.lost, seen)
	for _, k := range s.kept {
		k.Close()
	}
	s.until("all others have ended", func(*proxy.ServiceInfo) bool { return len(s.status().Predecessors) == 0 })
	s.ends()
}

// keepOne opens a session at the newest process, and ends the oldest if there are many.
func (s *story) keepOne() {
	if len(s.kept) == 6 {
		s.kept[0].CloseWrite()
		if end, err := s.kept[0].sees(); end != "fin" {
			s.t.Errorf("a session of process %d ended with %s, %v", s.kept[0].pid, end, err)
		}
		s.kept = s.kept[1:]
	}
	s.kept = append(s.kept, kept{s.talks(), s.pid})
}

// allLive checks that each kept session works.
func (s *story) allLive() {
	for _, k := range s.kept {
		s.lives(k.client)
	}
}

func (s *story) upgrade() {
	s.t.Helper()
	lost := s.load.lost.Load()
	s.begin(func() (string, int) { return s.try("upgrade") })
	s.pid = s.follow(s.pid)
	if now := s.load.lost.Load(); now != lost {
		s.t.Errorf("%d sessions are lost, and no process was killed", now-lost)
	}
}

// begin begins an upgrade, once the previous one is over.
func (s *story) begin(do func() (out string, status int)) {
	s.t.Helper()
	for began := time.Now(); ; restSince(began) {
		out, status := do()
		if status == 0 {
			return
		}
		if !strings.Contains(out, "under way") && !strings.Contains(out, "has taken over") || time.Since(began) > patience {
			s.t.Fatalf("status %d: %s", status, out)
		}
	}
}

// upgradeWithKill kills the old or the new process a random time after the start of the new one.
func (s *story) upgradeWithKill() {
	s.t.Helper()
	lost := s.load.lost.Load()
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.try("upgrade")
	}()
	next := s.child(s.pid)
	began := time.Now()
	time.Sleep(time.Duration(rand.Int64N(int64(300 * time.Millisecond))))
	victim, name := s.pid, "old"
	if rand.IntN(2) == 0 && time.Since(began) < 700*time.Millisecond { // later it may be the only process
		victim, name = next, "new"
	}
	if st, err := s.Status(context.Background()); err == nil && st.Node.PID == next {
		name += ", taken over"
	}
	s.kills[name]++
	if victim == s.pid {
		s.epoch.Add(1) // what the killed process counted after its offer may be lost
		defer s.epoch.Add(1)
	}
	syscall.Kill(victim, syscall.SIGKILL)
	<-done
	if victim == s.pid {
		s.pid = s.follow(s.pid)
	} else {
		s.untilAnswers(s.pid)
	}
	var left []kept
	for _, k := range s.kept {
		if k.pid != victim {
			left = append(left, k)
			continue
		}
		k.sees()
		k.Close()
	}
	s.kept = left
	s.load.anew() // so that lost sessions are counted
	s.lost += s.load.lost.Load() - lost
}

func (s *story) untilAnswers(pid int) {
	s.t.Helper()
	for began := time.Now(); time.Since(began) < patience; restSince(began) {
		s.Client.Close()
		s.Client = control.Dial(s.socket)
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		st, err := s.Status(ctx)
		cancel()
		if err == nil && st.Node.PID == pid {
			return
		}
	}
	s.t.Fatalf("process %d does not answer", pid)
}

// watchCounters checks the counters until stop is called, which returns how often it did.
func (s *story) watchCounters() (stop func() int) {
	end, looks := make(chan struct{}), make(chan int)
	go func() {
		src := control.Dial(s.socket)
		defer src.Close()
		var last proxy.ServiceInfo
		epoch, n := int64(-1), 0
		for {
			select {
			case <-end:
				looks <- n
				return
			case <-time.After(5 * time.Millisecond):
			}
			before := s.epoch.Load()
			st, err := src.Status(context.Background())
			if err != nil || before != s.epoch.Load() {
				continue
			}
			now := st.Services[0]
			if fell := falls(&last, &now); epoch == before && len(fell) > 0 {
				s.t.Errorf("process %d: %s", st.Node.PID, strings.Join(fell, ", "))
			}
			last, epoch = now, before
			n++
		}
	}()
	return func() int {
		close(end)
		return <-looks
	}
}

// falls returns the counters that have fallen.
func falls(was, is *proxy.ServiceInfo) (fell []string) {
	if len(was.Backends) == 0 {
		return nil // no earlier status
	}
	numbers := func(i *proxy.ServiceInfo) map[string]int64 {
		b := &i.Backends[0]
		all := map[string]int64{"total": i.Sessions.Total, "in": i.BytesIn, "out": i.BytesOut, "failed": i.Sessions.Failed, "cut": i.Sessions.Cut,
			"backend total": b.Total, "backend in": b.BytesIn, "backend out": b.BytesOut, "connects": i.Times.Connect.Count(), "sessions": i.Times.Session.Count()}
		for _, e := range i.Endings {
			all[fmt.Sprint("ending ", e.By, e.Phase, e.Reason)] = e.Count
		}
		return all
	}
	now := numbers(is)
	for name, n := range numbers(was) {
		if now[name] < n {
			fell = append(fell, fmt.Sprintf("%s was %d and is %d", name, n, now[name]))
		}
	}
	return fell
}
