// Package clientlist reads lists of networks from files, for services that allow or refuse clients
// by them.
package clientlist

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/fileerror"
	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/filewatch"
	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/proxy/text"
)

// maxFile bounds a file, in bytes: about a million networks.
const maxFile = 32 << 20

// Read reads a file: one network or address a line, with comments that begin
// with #. One with any line that is wrong is refused as a whole, since half a
// list would let in clients that the other half refuses.
func Read(path string) ([]netip.Prefix, error) {
	content, err := fileerror.Read(path, maxFile)
	if err != nil {
		return nil, err
	}
	return parse(path, content)
}

func parse(path string, content []byte) (all []netip.Prefix, err error) {
	content = bytes.TrimPrefix(content, []byte("\ufeff"))
	n := 0
	for line := range strings.Lines(string(content)) {
		n++
		line, _, _ = strings.Cut(line, "#")
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		p, err := proxy.ParseNetwork(line)
		if bad, ok := errors.AsType[*proxy.ValueError](err); ok {
			return nil, &fileerror.Error{File: path, Line: n, Text: shortened(bad.Text), Hint: "a line is one network or address: 10.0.0.0/8, fd00::/8, 192.0.2.7"}
		}
		all = append(all, p)
	}
	return all, nil
}

// shortened truncates a line for a message, since the file may be no list at all.
func shortened(s string) string {
	if s = text.Safe(s); len(s) > 120 {
		s = strings.ToValidUTF8(s[:120], "") + "..."
	}
	return s
}

// List is a file's networks, read again when it changes. It is a
// proxy.ClientList.
type List struct {
	key  string // of the configuration: allow_file or deny_file
	path string
	note func(proxy.Event) // nil: no events until there is an engine

	refreshing sync.Mutex
	stamp      filewatch.Stamp
	now        atomic.Pointer[state]
}

// state is the list in force, and the last error.
type state struct {
	set  set
	info proxy.ClientListInfo
}

var _ proxy.ClientList = (*List)(nil)

// New reads a file for a key of the configuration.
func New(key, path string) (*List, error) {
	l := &List{key: key, path: path}
	l.stamp.Changed(path)
	all, err := l.read()
	if err != nil {
		return nil, err
	}
	l.take(all, time.Now())
	return l, nil
}

// read calls Read, and rejects an empty list of allowed clients: an editor or a full disk may have
// left it, and it would refuse every client.
func (l *List) read() ([]netip.Prefix, error) {
	all, err := Read(l.path)
	if err == nil && len(all) == 0 && l.key == AllowFile {
		return nil, &fileerror.Error{File: l.path, Text: "it has no network: no client could come", Hint: `to refuse every client on purpose, write deny = ["0.0.0.0/0", "::/0"]`}
	}
	return all, err
}

// The keys of the configuration.
const (
	AllowFile = "allow_file"
	DenyFile  = "deny_file"
)

func (l *List) take(all []netip.Prefix, at time.Time) {
	s := newSet(all)
	l.now.Store(&state{s, proxy.ClientListInfo{File: l.path, Networks: len(all), At: at}})
}

// Note has what a refresh finds said by an engine, of a service.
func (l *List) Note(service string, note func(proxy.Event)) {
	l.refreshing.Lock()
	defer l.refreshing.Unlock()
	l.note = func(ev proxy.Event) {
		ev.Service = service
		ev.Text = service + ": " + ev.Text
		note(ev)
	}
}

// Path is the file's.
func (l *List) Path() string { return l.path }

// Covers says whether a network of the list has an address.
func (l *List) Covers(a netip.Addr) bool { return l.now.Load().set.covers(a) }

// Info is the list now.
func (l *List) Info() proxy.ClientListInfo { return l.now.Load().info }

// Refresh reads the file again if it has changed. Where it cannot be read, the
// list that there is stays in force.
func (l *List) Refresh() {
	l.refreshing.Lock()
	defer l.refreshing.Unlock()
	if !l.stamp.Changed(l.path) {
		return
	}
	was, now := l.now.Load(), time.Now()
	all, err := l.read()
	l.stamp.Failed(err)
	ev := proxy.Event{Kind: proxy.EventAccess}
	switch {
	case err != nil && err.Error() == was.info.Error:
		return // it was said
	case err != nil:
		next := *was
		if next.info.Error = err.Error(); next.info.Failing == nil {
			next.info.Failing = &now
		}
		l.now.Store(&next)
		ev.Level = proxy.LevelWarn
		ev.Text = fmt.Sprintf("%s: %v; the %s of %s stay in force", l.key, err, text.Plural(was.info.Networks, "network"), was.info.At.Format(time.TimeOnly))
	default:
		l.take(all, now)
		ev.Text = fmt.Sprintf("%s: read %s from %s, there were %d", l.key, text.Plural(len(all), "network"), l.path, was.info.Networks)
	}
	if l.note != nil {
		l.note(ev)
	}
}
