package proxy

import (
	"testing"
	"time"
)

// TestRule18OverdueUntilItIsResumed: what a report calls overdue is how long clients were rejected; a window on all
// nodes continues after that, until their numbers have arrived.
func TestRule18OverdueUntilItIsResumed(t *testing.T) {
	e, err := New(Config{Services: []ServiceConfig{{Name: "db", Listen: []string{"127.0.0.1:0"}}}})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	if err := e.Start(); err != nil {
		t.Fatal(err)
	}
	s := e.Service("db")
	if _, err := s.Pause(PauseOptions{By: "ana"}); err != nil {
		t.Fatal(err)
	}
	var p *pause
	s.queue.Do(func() { p = s.pause.current })
	if d := p.overdueFor(); d != 0 {
		t.Errorf("before its deadline: %s", d)
	}
	s.queue.Do(func() { p.until, p.overdue = time.Now().Add(-time.Hour), true })
	if d := p.overdueFor(); d < time.Hour {
		t.Errorf("while it stands: %s", d)
	}
	if _, err := s.Resume(ResumeOptions{By: "ana", Force: true}); err != nil {
		t.Fatal(err)
	}
	resumed := time.Now()
	for !time.Now().After(resumed) { // the clock may be coarse
		time.Sleep(time.Millisecond)
	}
	if d := p.overdueFor(); d < time.Hour || p.until.Add(d).After(resumed) {
		t.Errorf("after it was resumed: %s", d)
	}
}
