package history

import (
	"cmp"
	"context"
	"fmt"
	"path/filepath"
	"runtime/pprof"
	"slices"
	"time"

	"github.com/tcpctl/tcpctl/proxy"
)

// write is the only goroutine that writes. A stuck disk blocks it, and nothing else.
func (r *Recorder) write() {
	pprof.SetGoroutineLabels(pprof.WithLabels(context.Background(), pprof.Labels("role", "history")))
	defer close(r.done)
	r.begin()
	close(r.opened)
	for b := range r.queue {
		if b.reached != nil {
			close(b.reached)
			continue
		}
		r.put(b)
	}
	r.closeStore()
}

// begin opens the file at the start, and reads the last numbers.
func (r *Recorder) begin() {
	if r.cfg.Load().File == Off || !r.openStore(time.Now()) {
		return
	}
	past, err := r.store.past(pastMost)
	if err != nil {
		r.fail(err, time.Now())
		if damaged(err) {
			r.openStore(time.Now()) // a new file, without history
		}
		return
	}
	r.mu.Lock()
	r.past = past
	r.mu.Unlock()
}

// put writes one second, or counts it as missed.
func (r *Recorder) put(b *batch) {
	if b.begin || r.was == nil {
		r.was = b.status
		if b.begin {
			return
		}
	}
	r.now.Store(b.now.Unix())
	c := r.cfg.Load()
	if r.path != c.File {
		r.closeStore()
		r.tried = time.Time{}
	}
	if c.File == Off {
		if b.status != nil {
			r.was = b.status
		}
		return
	}
	r.keep(b)
	if r.store == nil && time.Since(r.tried) < retry || r.store == nil && !r.openStore(b.now) {
		r.lose()
		r.suspended(b)
		return
	}
	why := "tcpctl was not running"
	if !r.first {
		why = "it could not be written: " + cmp.Or(r.reason(), "no time was left for it")
	}
	b.events, b.reports, b.earlier = r.pending, r.reports, &r.earlier
	if r.stall != nil {
		r.stall()
	}
	gap := 3 * time.Second
	if b.status != nil {
		gap = 2*interval(b.status) + time.Second
	}
	err := r.store.put(r.was, b, gap, why)
	if err == nil && b.status != nil {
		err = r.store.tidy(b.now, c.Keep, c.Max)
		r.was = b.status
	}
	if err != nil {
		r.fail(err, b.now)
		r.lose()
	} else {
		r.succeed(b.now)
	}
	r.suspended(b)
}

func (r *Recorder) reason() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.failed
}

// keep holds events until they are written; if there are too many, the newest.
func (r *Recorder) keep(b *batch) {
	r.lostEvents.Add(b.dropped)
	r.pending = append(r.pending, b.events...)
	for _, rep := range b.reports {
		r.reports = slices.DeleteFunc(r.reports, func(o proxy.Report) bool { return o.ID == rep.ID })
		r.reports = append(r.reports, rep)
	}
	if over := len(r.pending) - keepMost; over > 0 {
		r.pending = append([]proxy.Event(nil), r.pending[over:]...)
		r.lostEvents.Add(uint64(over))
	}
}

func (r *Recorder) lose() {
	r.lostSeconds.Add(1)
	r.missed++
}

func (r *Recorder) suspended(b *batch) {
	if b.suspend {
		r.closeStore()
		r.tried = time.Time{}
	}
}

// openStore opens the file. It sets a damaged one aside, once.
func (r *Recorder) openStore(now time.Time) bool {
	r.path, r.tried = r.cfg.Load().File, time.Now()
	s, err := open(r.path)
	if err != nil && damaged(err) && r.setAside(err, now) {
		s, err = open(r.path)
	}
	if err != nil {
		r.fail(err, now)
		return false
	}
	r.setStore(s)
	return true
}

func (r *Recorder) setStore(s *store) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.store, r.oldestN = s, 0
}

func (r *Recorder) closeStore() {
	s := r.store // only this goroutine changes it
	r.setStore(nil)
	if s != nil {
		s.close()
	}
}

// setAside renames a damaged file, and reports it.
func (r *Recorder) setAside(why error, now time.Time) bool {
	to, err := setAside(r.path, now)
	if err != nil {
		return false
	}
	r.say(proxy.LevelWarn, fmt.Sprintf("history: %s was damaged (%v): set aside as %s; a new one begins", r.path, why, filepath.Base(to)))
	return true
}

// fail closes the file after an error, to be opened again later. The error is reported once, until
// writing has worked for a while.
func (r *Recorder) fail(err error, now time.Time) {
	r.closeStore()
	if damaged(err) && r.setAside(err, now) {
		r.tried = time.Time{} // open the new one at once
		return
	}
	r.mu.Lock()
	r.failed = err.Error()
	r.mu.Unlock()
	if !r.failing && time.Since(r.said) > sayAgain {
		r.said, r.failing = time.Now(), true
		r.say(proxy.LevelWarn, fmt.Sprintf("history is not written: %v; clients are served as before, and it is tried again every %s", err, retry))
	}
}

// succeed is called after each written second.
func (r *Recorder) succeed(now time.Time) {
	r.pending, r.reports, r.first = nil, nil, false
	s := r.store
	r.mu.Lock()
	r.failed = ""
	due := r.oldestN%60 == 0
	r.oldestN++
	r.mu.Unlock()
	if r.failing {
		r.failing = false
		r.say(proxy.LevelInfo, fmt.Sprintf("history is written again; %d seconds were not", r.missed))
	}
	r.missed = 0
	if !due {
		return
	}
	if s.moved() { // what is written to it would be lost
		r.closeStore()
		r.tried = time.Time{}
		return
	}
	bytes, err := s.bytes()
	var oldest int64
	if err == nil {
		err = s.write.QueryRow("SELECT coalesce(min(at), 0) FROM (SELECT min(at) AS at FROM service_1m UNION ALL SELECT min(at) FROM service_1s UNION ALL SELECT min(at_ms)/1000 FROM events)").Scan(&oldest)
	}
	if err != nil {
		r.fail(err, now)
		return
	}
	r.mu.Lock()
	r.bytes = bytes
	if oldest > 0 {
		r.oldest = time.Unix(oldest, 0)
	}
	r.mu.Unlock()
}

// say makes an event, or logs if there is no time line.
func (r *Recorder) say(level, text string) {
	if note := r.note.Load(); note != nil {
		(*note)(proxy.Event{Kind: proxy.EventEngine, Level: level, Text: text})
		return
	}
	if level == proxy.LevelWarn {
		r.log.Warn(text)
	} else {
		r.log.Info(text)
	}
}
