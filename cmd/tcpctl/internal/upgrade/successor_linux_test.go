package upgrade

import (
	"io"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// TestLastMessageBeforeTheEnd: what the new process wrote before it died counts, even if its end is
// noticed first.
func TestLastMessageBeforeTheEnd(t *testing.T) {
	t.Parallel()
	for range 20 {
		s := &Successor{link: &link{received: make(chan message, 1)}, late: time.NewTimer(time.Hour),
			exited: make(chan struct{}), phase: started, duties: Duties{limits: usual}, cmd: exec.Command("false")}
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

// TestTheOfferNeedsNoTime: writeNow writes what fits without a deadline, and returns how much that
// was.
func TestTheOfferNeedsNoTime(t *testing.T) {
	ours, theirs, err := pair()
	if err != nil {
		t.Fatal(err)
	}
	defer ours.Close()
	offer := strings.Repeat("offer", 10_000)
	if n := writeNow(ours, []byte(offer)); n != len(offer) {
		t.Errorf("%d of %d bytes are written", n, len(offer))
	}
	fits := 0
	for n := 1; n > 0; fits += n {
		n = writeNow(ours, []byte(offer))
	}
	ours.Close()
	if got, err := io.ReadAll(theirs); err != nil || len(got) != len(offer)+fits {
		t.Errorf("%d bytes of %d, %v", len(got), len(offer)+fits, err)
	}
	theirs.Close()
}
