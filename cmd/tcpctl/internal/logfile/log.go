// Package logfile has the outputs of log lines: a file that can be reopened after a rotation, a
// spool so that no caller ever waits for a disk or a terminal, and the log itself, whose level,
// format and file can change while it is in use.
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
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/tcpctl/tcpctl/proxy/text"
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
	lines *lossy
	spool *Spool[[]byte]
}

// New begins a log. It fails where the file cannot be opened or a word is not
// known. Close it, last of all.
func New(c Config) (*Log, error) {
	l := &Log{out: &output{stderr: text.NewWriter(os.Stderr)}}
	l.lines = &lossy{log: l}
	l.spool = NewSpool(SpoolConfig[[]byte]{To: l.lines,
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

// Close writes the remaining lines and closes the file. It waits for a few seconds
// at most. What is logged afterwards is lost.
func (l *Log) Close() error {
	err := l.spool.Close()
	if err != nil {
		return err // the old file stays in use
	}
	l.lines.sayLost(true)
	return l.out.close()
}

// sayAgain is the least time between two lines about lost lines.
const sayAgain = 10 * time.Second

// lossy is the io.Writer of a log's spool. When lines can be written again, it adds a line about
// how many were lost.
type lossy struct {
	log    *Log
	said   uint64 // how many lost lines have been reported
	saidAt time.Time
	why    error // of the last failed write; nil: lines came too fast
}

func (o *lossy) Write(lines []byte) (int, error) {
	n, err := o.log.out.Write(lines)
	if err != nil {
		o.why = err
		return n, err
	}
	o.sayLost(false)
	return n, nil
}

// sayLost logs lost lines, bypassing the spool.
func (o *lossy) sayLost(last bool) {
	lost := o.log.Lost()
	if lost == o.said || !last && time.Since(o.saidAt) < sayAgain {
		return
	}
	var line bytes.Buffer
	say := slog.New(&handler{out: o.log.out, text: slog.NewTextHandler(&line, nil), json: slog.NewJSONHandler(&line, nil)})
	if o.why != nil {
		say.Warn("lines of the log were lost", "lines", lost-o.said, "error", o.why)
	} else {
		say.Warn("lines of the log were lost: they came too fast", "lines", lost-o.said)
	}
	if _, err := o.log.out.Write(line.Bytes()); err == nil {
		o.said, o.saidAt, o.why = lost, time.Now(), nil
	}
}

// spooled is the io.Writer of slog's handlers: each Write is one line.
type spooled struct{ *Spool[[]byte] }

// Write is given what a client or a hook has said, too: the text handler quotes
// what is not printable, and JSON is escaped here, for a reader on a
// terminal.
func (s *spooled) Write(line []byte) (int, error) {
	s.Put(bytes.Clone(text.JSON(line)))
	return len(line), nil
}
