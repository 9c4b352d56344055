// Package logfile is where lines go: a file that can be opened again after a
// rotation, a spool that keeps those who log from ever waiting for a disk or
// a terminal, and the log itself, whose level, format and file can change
// while it is in use.
//
//	log, err := logfile.New(logfile.Config{Level: "info", Format: "text"})
//	if err != nil {
//		return err
//	}
//	defer log.Close() // what is still to be written is written here
//	log.Info("ready")
package logfile

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync"
)

// Config is the table [log].
type Config struct {
	Level  string // debug, info, warn, error; "" is info
	Format string // text, json; "" is text
	File   string // "": stderr, or nowhere under a console
	// Console says that the screen is a console's: no line may reach it, and
	// without a File there is none. Its Events pane shows what matters.
	Console bool
}

// Log is the log of this process. A line that is logged is handed on, not
// waited for: a stopped terminal or a full disk loses lines, and says so.
type Log struct {
	*slog.Logger
	level slog.LevelVar
	out   *output
	spool *Spool[[]byte]
}

// New begins a log. It fails where the file cannot be opened or a word is not
// known. Close it, last of all.
func New(c Config) (*Log, error) {
	l := &Log{out: &output{stderr: os.Stderr}}
	l.spool = NewSpool(SpoolConfig[[]byte]{To: l.out, Lost: l.lost,
		Append: func(lines, line []byte) []byte { return append(lines, line...) }})
	options := &slog.HandlerOptions{Level: &l.level}
	lines := &spooled{l.spool}
	l.Logger = slog.New(&handler{out: l.out, text: slog.NewTextHandler(lines, options), json: slog.NewJSONHandler(lines, options)})
	if err := l.Set(c); err != nil {
		l.Close()
		return nil, err
	}
	return l, nil
}

// Set changes level, format and file while the log is in use; all loggers
// made of it follow. Where it fails, nothing has changed.
func (l *Log) Set(c Config) error {
	level := slog.LevelInfo
	if c.Level != "" {
		if err := level.UnmarshalText([]byte(c.Level)); err != nil {
			return fmt.Errorf("log level %q is not known; it is debug, info, warn or error", c.Level)
		}
	}
	switch c.Format {
	case "", "text", "json":
	default:
		return fmt.Errorf("log format %q is not known; it is text or json", c.Format)
	}
	if err := l.out.set(c); err != nil {
		return err
	}
	l.level.Set(level)
	return nil
}

// Reopen opens the file again after a rotation; without a file it does nothing.
func (l *Log) Reopen() error { return l.out.reopen() }

// Lost is how many lines could not be written.
func (l *Log) Lost() uint64 { return l.spool.Lost() }

// Close writes what is left and closes the file. It waits for a few seconds
// at most. What is logged afterwards is lost.
func (l *Log) Close() error {
	err := l.spool.Close()
	if err != nil {
		return err // the file is still being written to
	}
	return l.out.close()
}

// lost writes that lines were lost, past the spool and in its format.
func (l *Log) lost(n uint64, err error) {
	var line bytes.Buffer
	say := slog.New(&handler{out: l.out, text: slog.NewTextHandler(&line, nil), json: slog.NewJSONHandler(&line, nil)})
	if err != nil {
		say.Warn("lines of the log were lost", "lines", n, "error", err)
	} else {
		say.Warn("lines of the log were lost: they came too fast", "lines", n)
	}
	l.out.Write(line.Bytes())
}

// spooled is the writer of slog's handlers: each Write is one line.
type spooled struct{ *Spool[[]byte] }

func (s *spooled) Write(line []byte) (int, error) {
	s.Put(bytes.Clone(line))
	return len(line), nil
}

// output is where lines go at the moment.
type output struct {
	mu      sync.Mutex
	stderr  io.Writer
	file    *File
	console bool
	json    bool
}

func (o *output) set(c Config) error {
	o.mu.Lock()
	file, old := o.file, o.file
	o.mu.Unlock()
	switch {
	case c.File == "":
		file = nil
	case old == nil || old.path != c.File:
		var err error
		if file, err = Open(c.File); err != nil {
			return err
		}
	}
	o.mu.Lock()
	o.file, o.console, o.json = file, c.Console, c.Format == "json"
	o.mu.Unlock()
	if old != nil && old != file {
		old.Close()
	}
	return nil
}

func (o *output) now() (to io.Writer, json bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	switch {
	case o.file != nil:
		return o.file, o.json
	case o.console:
		return nil, o.json
	}
	return o.stderr, o.json
}

func (o *output) Write(lines []byte) (int, error) {
	if to, _ := o.now(); to != nil {
		return to.Write(lines)
	}
	return len(lines), nil
}

func (o *output) reopen() error {
	o.mu.Lock()
	file := o.file
	o.mu.Unlock()
	if file == nil {
		return nil
	}
	return file.Reopen()
}

func (o *output) close() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.file == nil {
		return nil
	}
	return o.file.Close()
}

// handler is a text and a JSON handler, of which one is used.
type handler struct {
	out        *output
	text, json slog.Handler
}

func (h *handler) Enabled(ctx context.Context, level slog.Level) bool {
	to, _ := h.out.now()
	return to != nil && h.text.Enabled(ctx, level)
}

func (h *handler) Handle(ctx context.Context, r slog.Record) error {
	if _, json := h.out.now(); json {
		return h.json.Handle(ctx, r)
	}
	return h.text.Handle(ctx, r)
}

func (h *handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &handler{h.out, h.text.WithAttrs(attrs), h.json.WithAttrs(attrs)}
}

func (h *handler) WithGroup(name string) slog.Handler {
	return &handler{h.out, h.text.WithGroup(name), h.json.WithGroup(name)}
}
