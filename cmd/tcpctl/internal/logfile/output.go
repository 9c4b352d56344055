package logfile

import (
	"context"
	"io"
	"log/slog"
	"sync"
)

// output is the current destination of lines.
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

// handler has a text and a JSON handler, of which one is used.
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
