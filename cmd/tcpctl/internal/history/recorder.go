package history

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/proxy/api"
)

// Off is the Config.File of no history.
const Off = "off"

// Config is the table [history].
type Config struct {
	File string        // a path, Memory or Off
	Keep time.Duration // 0: 30 days
	Max  int64         // bytes; 0: 256 MiB
}

// ConfigError says which key of a Config cannot be.
type ConfigError struct{ Key, Text, Hint string }

func (e *ConfigError) Error() string { return e.Text }

// Validate refuses bounds in which there is no room for a history.
func (c Config) Validate() *ConfigError {
	switch {
	case c.Keep < time.Hour:
		return &ConfigError{"keep", "history.keep is less than an hour", `write "30d", or file = "off" for no history`}
	case c.Max < 1<<20:
		return &ConfigError{"max", "history.max is less than 1MiB", `write "256MiB", or file = "off" for no history`}
	}
	return nil
}

// Bounds of a history in memory.
const (
	memoryKeep = 24 * time.Hour
	memoryMax  = 32 << 20
)

// Source is what is recorded: an *api.Local.
type Source interface {
	Status(ctx context.Context) (*api.Status, error)
	Events(ctx context.Context, since uint64, wait bool) (proxy.EventPage, error)
	Reports(ctx context.Context) ([]proxy.Report, error)
	// Waiters returns the first waiters of a queue.
	Waiters(ctx context.Context, service string, most int) ([]proxy.WaiterInfo, error)
	Live(ctx context.Context, q api.SessionQuery) iter.Seq[proxy.SessionInfo]
}

const (
	room      = 8                // seconds that may wait for the disk, with a Status each
	retry     = 5 * time.Second  // until a failed file is tried again
	sayAgain  = time.Minute      // minimum time between two reports of trouble
	openWait  = 2 * time.Second  // how long New waits for a stuck disk
	closeWait = 2 * time.Second  // the same for Close
	readWait  = 10 * time.Second // timeout of one query
	listEvery = 2                // seconds between two reads of the live sessions
	listMany  = 10               // the same with more than a thousand
	perSecond = 500              // services and backends up to which samples are taken each second; with more, less often
	pastMost  = 1000             // events read at the start
	keepMost  = 4096             // events kept while the file cannot be written
)

// Recorder records one instance, and is its api.History. Make it with New; its
// methods may be called from any goroutine.
type Recorder struct {
	log  *slog.Logger
	cfg  atomic.Pointer[Config]
	note atomic.Pointer[func(proxy.Event)] // nil: trouble goes to the log

	queue    chan *batch
	opened   chan struct{} // closed once opening the file was tried
	done     chan struct{} // closed when the writer has ended
	source   Source
	ctx      context.Context
	cancel   context.CancelFunc
	suspends atomic.Bool   // another process records
	ordered  chan struct{} // suspends was set
	sampled  chan struct{} // closed when the sampler has ended
	once     sync.Once     // Close

	records records
	now     atomic.Int64 // the last recorded second

	lostSeconds, lostEvents atomic.Uint64

	mu      sync.Mutex // guards what follows; never held during I/O
	store   *store     // nil: not open
	failed  string     // why
	bytes   int64
	oldest  time.Time
	oldestN int
	past    proxy.Past

	// Used by the writer only.
	was     *api.Status
	pending []proxy.Event  // not written yet
	reports []proxy.Report // the same
	earlier earlier
	tried   time.Time
	said    time.Time
	failing bool
	missed  uint64
	first   bool // this process has written nothing yet
	path    string
	stall   func() // set in tests only: runs before each write
}

// New begins a recorder and opens its file, for which it waits a moment. It
// never fails: what is wrong with the file is said later, and tried again. Call
// Close.
func New(c Config, log *slog.Logger) *Recorder {
	r := &Recorder{log: log, queue: make(chan *batch, room), opened: make(chan struct{}), done: make(chan struct{}), ordered: make(chan struct{}, 1), first: true}
	r.ctx, r.cancel = context.WithCancel(context.Background())
	r.Set(c)
	go r.write()
	select {
	case <-r.opened:
	case <-time.After(openWait):
	}
	return r
}

// Set changes the file or its bounds, from the next second on.
func (r *Recorder) Set(c Config) {
	if c.Keep <= 0 {
		c.Keep = 30 * 24 * time.Hour
	}
	if c.Max <= 0 {
		c.Max = 256 << 20
	}
	if c.File == Memory {
		c.Keep, c.Max = min(c.Keep, memoryKeep), min(c.Max, memoryMax)
	}
	r.cfg.Store(&c)
}

// Past is what the file has of events and reports, for an engine to go on from.
func (r *Recorder) Past() proxy.Past {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.past
}

// Start records the source from now on. note, when set, puts trouble on its
// time line.
func (r *Recorder) Start(source Source, note func(proxy.Event)) {
	r.source, r.sampled = source, make(chan struct{})
	if note != nil {
		r.note.Store(&note)
	}
	ctx, cancel := context.WithTimeout(r.ctx, time.Second)
	defer cancel()
	status, err := source.Status(ctx)
	if err == nil {
		r.queue <- &batch{begin: true, now: status.Node.Now, status: status} // the first batch: there is room
	}
	go r.sample()
}

// Suspend takes a last snapshot and closes the file: another process records
// from now on. It does not wait.
func (r *Recorder) Suspend() { r.suspend(true) }

// Resume goes on after Suspend.
func (r *Recorder) Resume() { r.suspend(false) }

// suspend does not wait for the sampler, which may be taking a status.
func (r *Recorder) suspend(on bool) {
	r.suspends.Store(on)
	select {
	case r.ordered <- struct{}{}:
	default: // the sampler has yet to look
	}
}

// Close records what has happened up to now, and closes the file. It waits for
// a disk that is stuck for two seconds at most.
func (r *Recorder) Close() {
	r.once.Do(func() {
		r.cancel()
		if r.sampled == nil {
			close(r.queue)
		}
		select {
		case <-r.done:
		case <-time.After(closeWait):
			r.log.Warn("history: the disk does not answer: the last seconds are not written")
		}
	})
}

// Record takes the record of a session that has ended. It is called on the data
// path, and never waits.
func (r *Recorder) Record(rec proxy.Record) {
	r.records.add(record{rec.ID, rec.Service, rec.Client, rec.BytesIn, rec.BytesOut, time.Duration(rec.WaitedSeconds * float64(time.Second))})
}

// records wait for the sampler.
type records struct {
	mu    sync.Mutex
	all   []record
	spare []record // an earlier slice, reused: growing a new one would copy thousands of records a second
	lost  uint64
}

// recordsMost is how many sessions that end within a second are recorded individually.
const recordsMost = 1 << 16

func (r *records) add(rec record) {
	r.mu.Lock()
	if len(r.all) < recordsMost {
		r.all = append(r.all, rec)
	} else {
		r.lost++
	}
	r.mu.Unlock()
}

// take calls see with each record since the last call. Only the sampler calls it.
func (r *records) take(see func(*record)) {
	r.mu.Lock()
	all := r.all
	r.all, r.spare = r.spare, nil
	r.mu.Unlock()
	for i := range all {
		see(&all[i])
	}
	if cap(all) > 4*len(all) {
		return // too large to keep
	}
	clear(all)
	r.mu.Lock()
	r.spare = all[:0]
	r.mu.Unlock()
}

// Remembered says how it stands with the history.
func (r *Recorder) Remembered(context.Context) (api.HistoryInfo, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return api.HistoryInfo{File: r.cfg.Load().File, Oldest: r.oldest, Bytes: r.bytes, Failed: r.failed,
		LostSeconds: r.lostSeconds.Load(), LostEvents: r.lostEvents.Load()}, nil
}

// LostSeconds is how many seconds are missing, since the start.
func (r *Recorder) LostSeconds() uint64 { return r.lostSeconds.Load() }

// LostEvents is how many events are missing, since the start.
func (r *Recorder) LostEvents() uint64 { return r.lostEvents.Load() }

// ask runs a query on the file, or says why there is none.
func ask[T any](ctx context.Context, r *Recorder, question func(*view) (T, error)) (answer T, err error) {
	err = r.view(ctx, func(v *view) error {
		answer, err = question(v)
		return err
	})
	return answer, err
}

func (r *Recorder) view(ctx context.Context, ask func(*view) error) error {
	r.mu.Lock()
	s, failed := r.store, r.failed
	r.mu.Unlock()
	c := r.cfg.Load()
	switch {
	case c.File == Off:
		return api.Refused("no history is kept here", `take file = "off" out of [history]`)
	case s == nil && failed != "":
		return api.Refused("there is no history at the moment: "+failed, "it goes on by itself when that is mended")
	case s == nil:
		return api.Refused("there is no history at the moment: no file is open", "ask again in a second")
	}
	ctx, cancel := context.WithTimeout(ctx, readWait)
	defer cancel()
	v := &view{ctx: ctx, db: s.read, now: cmp.Or(r.now.Load(), time.Now().Unix())}
	err := v.begin()
	if err == nil {
		err = ask(v)
	}
	if _, refused := errors.AsType[*api.Error](err); err != nil && !refused {
		err = api.Refused(fmt.Sprintf("the history cannot be read: %v", err), "ask for a shorter stretch, or look at its file with sqlite3")
	}
	return err
}
