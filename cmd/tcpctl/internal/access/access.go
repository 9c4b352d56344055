// Package access writes the access log: one JSON line a session at its end,
// which is its proxy.Record as it is, and every few minutes one for each
// live session, so that its bytes are seen before a week-long session ends.
//
//	log, err := access.New("edge-01", access.Config{File: "/var/log/tcpctl/access"}, logger)
//	engine, err := proxy.New(proxy.Config{OnRecord: log.Record, …})
//	log.Follow(&api.Local{Engine: engine}, engine.Operator().Note)
//	defer log.Close() // after the engine's end
//
// Sessions never wait for the disk: what comes too fast is counted as lost,
// and is an event.
package access

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/logfile"
	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/proxy/api"
)

// Config is access and access_flush of the table [log].
type Config struct {
	File  string        // "": no access log
	Flush time.Duration // how often a live session gets a line; 0: 5 min, negative: never
}

// Log is the access log of one engine.
type Log struct {
	node   string
	log    *slog.Logger
	out    atomic.Pointer[output] // nil: no log
	lost   atomic.Uint64          // lines lost by closed outputs
	losing chan error             // the reason of the latest loss
	ctx    context.Context
	cancel context.CancelFunc
	again  chan struct{} // the flush interval has changed
	wg     sync.WaitGroup

	mu  sync.Mutex // serializes Set
	cfg Config
}

// New begins an access log, whose lines name the node; without a file it waits for one to be Set. Errors
// go to log. Close it.
func New(node string, c Config, log *slog.Logger) (*Log, error) {
	l := &Log{node: node, log: log, again: make(chan struct{}, 1), losing: make(chan error, 1)}
	l.ctx, l.cancel = context.WithCancel(context.Background())
	if err := l.Set(c); err != nil {
		return nil, err
	}
	return l, nil
}

// Set changes the file or the interval, while sessions are live. When it fails,
// nothing has changed.
func (l *Log) Set(c Config) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	c.Flush = cmp.Or(c.Flush, 5*time.Minute)
	if c.File != l.cfg.File {
		var out *output
		if c.File != "" {
			var err error
			if out, err = open(c.File, l.losing); err != nil {
				return err
			}
		}
		l.retire(l.out.Swap(out))
	}
	l.cfg = c
	select {
	case l.again <- struct{}{}:
	default:
	}
	return nil
}

// Record takes the record of a session that has ended: it is a
// proxy.Config.OnRecord, and never waits.
func (l *Log) Record(r proxy.Record) {
	if out := l.out.Load(); out != nil {
		out.spool.Put(entry{node: l.node, record: r})
	}
}

// Writes says whether records are written now.
func (l *Log) Writes() bool { return l.out.Load() != nil }

// Follow begins to write lines of the source's live sessions, and to note when lines are lost. Call it once.
func (l *Log) Follow(source api.Source, note func(proxy.Event)) {
	l.wg.Go(func() { l.follow(source) })
	l.wg.Go(func() { l.watch(note) })
}

// calm is how long no line must be lost until a loss counts as over, so that there are at most two events a
// minute.
const calm = time.Minute

func (l *Log) watch(note func(proxy.Event)) {
	told := uint64(0)
	for {
		select {
		case <-l.ctx.Done():
			return
		case err := <-l.losing:
			why := "sessions end faster than the disk or the reader of the pipe takes lines"
			if err != nil {
				why = err.Error()
			}
			note(proxy.Event{Kind: proxy.EventLog, Level: proxy.LevelWarn, Text: "lines of the access log are lost: " + why})
		}
		for last := uint64(0); last < l.Lost(); {
			last = l.Lost()
			select {
			case <-l.ctx.Done():
				return
			case <-time.After(calm):
			}
		}
		select {
		case <-l.losing: // further losses of the same period
		default:
		}
		lost := l.Lost()
		note(proxy.Event{Kind: proxy.EventLog, Text: fmt.Sprintf("lines of the access log are no longer lost: %d were, none of them in the last minute", lost-told)})
		told = lost
	}
}

func (l *Log) follow(source api.Source) {
	for {
		l.mu.Lock()
		every := l.cfg.Flush
		l.mu.Unlock()
		var due <-chan time.Time
		if every > 0 {
			due = time.After(every)
		}
		select {
		case <-l.ctx.Done():
			return
		case <-l.again:
		case <-due:
			l.flush(source, every)
		}
	}
}

// flush writes a line for each live session that is older than a whole interval.
func (l *Log) flush(source api.Source, every time.Duration) {
	out := l.out.Load()
	if out == nil {
		return
	}
	at := time.Now()
	sessions, err := source.Sessions(l.ctx, api.SessionQuery{OlderThan: every})
	if err != nil {
		l.log.Warn("access log: could not list the live sessions", "error", err)
		return
	}
	for _, s := range sessions {
		// These lines can wait: they go in one by one, and leave the room to records of ended
		// sessions. So a line may come after its session's record; its time is still right.
		if l.ctx.Err() != nil || !out.spool.PutWait(entry{live: &ongoing{Time: at, Node: l.node, ID: s.ID, Service: s.Service, Backend: s.Backend, Client: s.Client,
			Via: s.Via, Phase: s.Phase, Ongoing: true, DurationSeconds: s.AgeSeconds, IdleSeconds: s.IdleSeconds,
			BytesIn: s.BytesIn, BytesOut: s.BytesOut}}) {
			return
		}
	}
}

// Reopen opens the file again after a rotation; nothing goes into the old one
// afterwards. Without a file it does nothing.
func (l *Log) Reopen() error {
	if out := l.out.Load(); out != nil {
		return out.file.Reopen()
	}
	return nil
}

// Lost is how many lines were lost so far.
func (l *Log) Lost() uint64 {
	n := l.lost.Load()
	if out := l.out.Load(); out != nil {
		n += out.spool.Lost()
	}
	return n
}

// Close writes the remaining lines and closes the file.
func (l *Log) Close() error {
	l.cancel()
	err := l.retire(l.out.Swap(nil))
	l.wg.Wait()
	return err
}

// retire closes an output that is no longer used.
func (l *Log) retire(out *output) error {
	if out == nil {
		return nil
	}
	err := out.spool.Close()
	if err == nil {
		err = out.file.Close()
	}
	l.lost.Add(out.spool.Lost())
	return err
}

// room is how many sessions may end while the disk accepts no line: 8192 lines are about 2 MB, and
// a tenth of a second at the highest rate measured.
const room = 8192

// output is one file and the lines still to be written to it.
type output struct {
	file  *logfile.File
	spool *logfile.Spool[entry]
}

func open(path string, losing chan<- error) (*output, error) {
	file, err := logfile.Open(path)
	if err != nil {
		return nil, err
	}
	return &output{file, logfile.NewSpool(logfile.SpoolConfig[entry]{Size: room, To: file, Append: appendLine, Losing: losing})}, nil
}
