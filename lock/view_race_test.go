//go:build race

package lock

import (
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
)

// TestViewsRunAtOnce: under the race detector two Views run at the same time without
// any ordering, so that a write in one is a data race with a read in the other. Thus
// all tests under the race detector check that no View writes.
// TestViewThatChangesIsFound shows that it is reported.
func TestViewsRunAtOnce(t *testing.T) {
	q := NewQueue(&testGate{}, 0)
	first, second := make(chan struct{}), make(chan struct{})
	go q.View(func() {
		close(first)
		<-second
	})
	<-first
	q.View(func() { close(second) })
}

// TestViewThatChangesIsFound runs itself in another process, where a View writes: the
// race detector must report it and end the process.
func TestViewThatChangesIsFound(t *testing.T) {
	if os.Getenv("LOCK_TEST_VIEW") != "" {
		q := NewQueue(&testGate{}, 0)
		n := 0
		var both sync.WaitGroup
		both.Go(func() { q.View(func() { n++ }) })
		both.Go(func() { q.View(func() { _ = n }) })
		both.Wait()
		return
	}
	cmd := exec.Command(os.Args[0], "-test.run=^TestViewThatChangesIsFound$")
	cmd.Env = append(os.Environ(), "LOCK_TEST_VIEW=1")
	out, err := cmd.CombinedOutput()
	if err == nil || !strings.Contains(string(out), "DATA RACE") {
		t.Fatalf("a View that writes was not found: %v\n%s", err, out)
	}
}
