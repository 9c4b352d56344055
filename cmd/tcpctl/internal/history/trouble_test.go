package history

import (
	"database/sql"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/proxy/api"
)

// TestADiskThatIsStuck: it delays no sample and no stop, and the lost seconds are counted; events
// from that time are written later.
func TestADiskThatIsStuck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := &engine{services: []proxy.ServiceInfo{service("db", "a")}}
		r := New(Config{File: Memory}, slog.New(slog.DiscardHandler))
		free, stuck := make(chan struct{}), atomic.Bool{}
		r.stall = func() {
			if stuck.Load() {
				<-free
			}
		}
		r.Start(e, e.Note)
		time.Sleep(5500 * time.Millisecond)
		synctest.Wait()
		stuck.Store(true)
		e.mu.Lock()
		grow(&e.services[0], 100, 0, 0)
		e.mu.Unlock()
		e.Note(proxy.Event{Kind: proxy.EventMark, Text: "while it is stuck"})
		time.Sleep(time.Minute)
		if n := r.LostSeconds(); n < 45 || n > 60 {
			t.Errorf("%d seconds are lost", n)
		}
		stuck.Store(false)
		close(free)
		time.Sleep(3 * time.Second)
		i := must(r.Incident(ctx, api.Stretch{Since: time.Now().Add(-2 * time.Minute), Until: time.Now()}))(t)
		if i.Impact.Clients != 100 || len(i.Marks) != 1 {
			t.Errorf("%+v, %d marks", i.Impact, len(i.Marks))
		}
		if len(i.Gaps) == 0 || !strings.Contains(i.Gaps[0].Reason, "could not be written") {
			t.Errorf("gaps: %+v", i.Gaps)
		}
		free = make(chan struct{})
		stuck.Store(true)
		time.Sleep(3 * time.Second)
		began := time.Now()
		r.Close()
		if took := time.Since(began); took > closeWait {
			t.Errorf("Close took %s", took)
		}
		stuck.Store(false)
		close(free)
		<-r.done
	})
}

// TestAFileThatCannotBeUsed: it only costs history, and causes one warning; once it can be used
// again, recording continues, with the events from that time.
func TestAFileThatCannotBeUsed(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, why string
		spoil     func(t *testing.T, file string) (mend func())
	}{
		{"locked", "locked", func(t *testing.T, file string) func() {
			db := must(sql.Open("sqlite", "file:"+file+"?_txlock=exclusive"))(t)
			tx := must(db.Begin())(t)
			return func() { tx.Rollback(); db.Close() }
		}},
		{"a folder in its place", "directory", func(t *testing.T, file string) func() {
			for _, name := range []string{file, file + "-wal", file + "-shm"} {
				os.Remove(name)
			}
			if err := os.Mkdir(file, 0o700); err != nil {
				t.Fatal(err)
			}
			return func() { os.Remove(file) }
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			file := tempFile(t)
			e := &engine{now: start, services: []proxy.ServiceInfo{service("db", "a")}}
			tp := newTape(t, file, e)
			one := func(e *engine) { grow(&e.services[0], 1, 0, 0) }
			for range 70 {
				tp.second(one)
			}
			tp.flush()
			mend := c.spoil(t, file)
			for n := 0; must(tp.Remembered(ctx))(t).Failed == "" && n < 100; n++ { // the file is checked once a minute
				tp.second(one)
				tp.flush()
				tp.tried = time.Time{} // retry at once
			}
			tp.second(one)
			e.Note(proxy.Event{Kind: proxy.EventMark, Text: "meanwhile"})
			tp.second(one)
			tp.flush()
			info := must(tp.Remembered(ctx))(t)
			if info.LostSeconds == 0 || !strings.Contains(info.Failed, c.why) {
				t.Errorf("%+v", info)
			}
			if said := e.noted("history is not written"); len(said) != 1 || !strings.Contains(said[0], c.why) {
				t.Errorf("said %q", said)
			}
			mend()
			tp.tried = time.Time{}
			for range 5 {
				tp.second(one)
			}
			tp.flush()
			i := must(tp.Incident(ctx, api.Stretch{Since: at(0), Until: at(300)}))(t)
			if len(i.Marks) != 1 {
				t.Errorf("marks: %+v", i.Marks)
			}
			if c.name == "locked" && i.Impact.Clients != tp.e.services[0].Sessions.Total { // otherwise the file is new
				t.Errorf("%d clients", i.Impact.Clients)
			}
			if info := must(tp.Remembered(ctx))(t); info.Failed != "" || len(e.noted("history is written again")) != 1 {
				t.Errorf("%+v, %q", info, e.noted("history"))
			}
		})
	}
}

// TestAFileThatIsDamaged: it is set aside, at the start and while it is in use.
func TestAFileThatIsDamaged(t *testing.T) {
	t.Parallel()
	garbage := strings.Repeat("this is no database ", 5000)
	spoil := func(t *testing.T, file string) {
		f := must(os.OpenFile(file, os.O_WRONLY, 0))(t)
		defer f.Close()
		if _, err := f.WriteAt([]byte(garbage), 0); err != nil {
			t.Fatal(err)
		}
	}
	for _, running := range []bool{false, true} {
		file := tempFile(t)
		if !running {
			if err := os.WriteFile(file, []byte(garbage), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		e := &engine{now: start, services: []proxy.ServiceInfo{service("db", "a")}}
		tp := newTape(t, file, e)
		one := func(e *engine) { grow(&e.services[0], 1, 0, 0) }
		for range 5 {
			tp.second(one)
		}
		if running {
			tp.flush()
			must(tp.store.write.Exec("PRAGMA wal_checkpoint(TRUNCATE)"))(t) // so that the file itself has everything
			spoil(t, file)
			for range 5 {
				tp.second(one)
				tp.flush()
				tp.closeStore() // as after any error
				tp.tried = time.Time{}
			}
		}
		for range 10 {
			tp.second(one)
		}
		tp.flush()
		if m := must(tp.Moment(ctx, e.now.Add(-2*time.Second)))(t); m.Status.Service("db") == nil {
			t.Errorf("running %v: nothing is recorded afterwards: %+v", running, must(tp.Remembered(ctx))(t))
		}
		aside, _ := filepath.Glob(file + ".damaged-*")
		if len(aside) == 0 {
			t.Errorf("running %v: it was not set aside", running)
		}
		tp.end()
	}
}

// TestTheFileIsForItsUserAlone: it names clients and operators.
func TestTheFileIsForItsUserAlone(t *testing.T) {
	t.Parallel()
	file := tempFile(t)
	e := &engine{now: start, services: []proxy.ServiceInfo{service("db", "a")}}
	tp := newTape(t, file, e)
	tp.second(nil)
	tp.flush()
	for _, more := range []string{"", "-wal", "-shm"} {
		if info, err := os.Stat(file + more); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", more, info, err)
		}
	}
}

// TestSizeAndAgeAreBounded: the file stays below a small bound, and keeps the newest data; either bound alone.
func TestSizeAndAgeAreBounded(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		Config
		least, most int // events that are kept
	}{
		"size": {Config{Max: 500 << 10}, 60, 150}, // of some 3 kB each
		"age":  {Config{Keep: 2 * time.Minute}, 120, 180},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := &engine{now: start, services: []proxy.ServiceInfo{service("db", "a", "b", "c")}}
			c.File = tempFile(t)
			tp := newTape(t, c.File, e)
			tp.Set(c.Config)
			for range 300 { // at the end of a minute, after each of which the bounds are applied
				tp.second(func(e *engine) {
					grow(&e.services[0], 1, 0, 0)
					e.Note(proxy.Event{Kind: proxy.EventQueue, Text: strings.Repeat("x", 3000)})
				})
			}
			tp.flush()
			if bytes := must(tp.store.bytes())(t); c.Max > 0 && bytes > c.Max {
				t.Errorf("%d bytes", bytes)
			}
			events := must(tp.Timeline(ctx, api.TimelineQuery{}))(t)
			if n := len(events); n < c.least || n > c.most || !events[n-1].Time.Equal(e.now.Add(-time.Second)) {
				t.Errorf("%d events", n)
			}
		})
	}
}

// TestAFullDisk: it causes a warning, and no count is lost.
func TestAFullDisk(t *testing.T) {
	t.Parallel()
	file := tempFile(t)
	e := &engine{now: start, services: []proxy.ServiceInfo{service("db", "a")}}
	tp := newTape(t, file, e)
	second := func(e *engine) {
		grow(&e.services[0], 1, 0, 0)
		e.Note(proxy.Event{Kind: proxy.EventQueue, Text: strings.Repeat("x", 3000)})
	}
	tp.second(second)
	tp.flush()
	must(tp.store.write.Exec("PRAGMA max_page_count = 60"))(t)
	for n := 0; must(tp.Remembered(ctx))(t).Failed == "" && n < 200; n++ {
		tp.second(second)
		tp.flush()
	}
	if info := must(tp.Remembered(ctx))(t); !strings.Contains(info.Failed, "full") {
		t.Fatalf("%+v", info)
	}
	tp.second(second)
	tp.flush()
	if said := e.noted("history is not written"); len(said) != 1 {
		t.Errorf("said %q", said)
	}
	tp.tried = time.Time{} // retry at once, with room again
	tp.second(second)
	tp.flush()
	want := e.services[0].Sessions.Total
	if n := must(tp.Incident(ctx, api.Stretch{Since: at(0), Until: at(600)}))(t).Impact.Clients; n != want {
		t.Errorf("%d clients of %d", n, want)
	}
}
