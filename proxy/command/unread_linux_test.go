package command

import (
	"os"
	"sync/atomic"
	"testing"
	"time"
)

// A reader that is late, as on a busy machine, is waited for, even if a child keeps the pipe open.
func TestALateReaderIsWaitedFor(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	w.WriteString("no such unit\n")
	var read atomic.Bool
	reader := time.AfterFunc(2*outputDelay, func() {
		read.Store(true)
		r.Read(make([]byte, 100))
	})
	defer reader.Stop()
	awaitOutput(r, make(chan struct{}))
	if !read.Load() {
		t.Error("it has not waited for bytes in the pipe")
	}
}
