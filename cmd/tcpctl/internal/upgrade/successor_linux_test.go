package upgrade

import (
	"os/exec"
	"testing"
	"time"
)

// TestLastMessageBeforeTheEnd: what the new process wrote before it died counts,
// although its end is known first.
func TestLastMessageBeforeTheEnd(t *testing.T) {
	for range 20 {
		s := &Successor{link: &link{received: make(chan message, 1)}, late: time.NewTimer(time.Hour),
			exited: make(chan struct{}), phase: started, cmd: exec.Command("false")}
		if err := s.cmd.Start(); err != nil {
			t.Fatal(err)
		}
		s.received <- message{Accepting: true}
		close(s.received)
		close(s.exited)
		if e := s.next(); e != isAccepting {
			t.Fatalf("the first event is %v (%v)", e, s.why)
		}
		if e := s.next(); e != hasDied {
			t.Fatalf("the last event is %v", e)
		}
	}
}
