package upgrade

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/tcpctl/tcpctl/proxy"
)

// TestAMessageInTheLastMoment gives the new process its whole time again, although it was late.
func TestAMessageInTheLastMoment(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := limits{settle: 10 * time.Second, again: time.Second}
		s := &Successor{link: &link{received: make(chan message)}, phase: accepting, duties: Duties{limits: l}, exited: make(chan struct{}), late: time.NewTimer(l.settle)}
		got := make(chan event, 1)
		go func() { got <- s.next() }()
		time.Sleep(l.settle + l.again/2)
		s.received <- message{Counted: &proxy.Remaining{}}
		time.Sleep(l.settle / 2)
		select {
		case s.received <- message{Settled: true}:
			<-got
		case e := <-got:
			t.Errorf("event %d: %v", e, s.why)
		}
	})
}
