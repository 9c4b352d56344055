package bundle

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"strconv"
	"time"

	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/config"
	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/control"
	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/process"
	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/proxy/api"
)

// part is one file of a bundle, and how to get it.
type part struct {
	name, about string
	takes       time.Duration // in addition to the time to answer
	write       func(ctx context.Context, w io.Writer) error
}

// eachAtMost is the number of goroutines up to which they are written one by one, for which the
// process is stopped.
const eachAtMost = 5000

// parts returns all files, beginning with those that do not need the engine.
func (b *Bundle) parts(c *control.Client, o Options) []part {
	debug := func(what string, v url.Values) func(context.Context, io.Writer) error {
		return func(ctx context.Context, w io.Writer) error { return c.Debug(ctx, what, v, w) }
	}
	var p process.Info
	all := []part{
		{name: "process.json", about: "build, memory, limits and control groups of the process", write: func(ctx context.Context, w io.Writer) error {
			var text bytes.Buffer
			err := c.Debug(ctx, "process", nil, io.MultiWriter(w, &text))
			if err == nil {
				err = json.Unmarshal(text.Bytes(), &p)
			}
			return err
		}},
		{name: "goroutines.txt", about: "where the goroutines are, counted by their stacks", write: debug("goroutines", nil)},
		{name: "goroutines-each.txt", about: "each goroutine, with what it waits for and how long", write: func(ctx context.Context, w io.Writer) error {
			if p.Goroutines > eachAtMost {
				return fmt.Errorf("there are %d goroutines, which would hold the process up; tcpctl debug goroutines --each writes them", p.Goroutines)
			}
			return c.Debug(ctx, "goroutines", url.Values{"each": {"1"}}, w)
		}},
		{name: "heap.pb.gz", about: "what holds memory, for go tool pprof", write: debug("heap", nil)},
	}
	if o.Profile > 0 {
		seconds := strconv.Itoa(int(o.Profile / time.Second))
		all = append(all, part{name: "profile.pb.gz", about: "where the CPU went for " + seconds + " s, for go tool pprof", takes: o.Profile,
			write: debug("profile", url.Values{"seconds": {seconds}})})
	}
	return append(all,
		part{name: "config.txt", about: "the configuration: what differs from the defaults", write: b.config(c)},
		part{name: "status.json", about: "services, backends and peers", write: func(ctx context.Context, w io.Writer) error {
			st, err := c.Status(ctx)
			return asJSON(w, st, err)
		}},
		part{name: "sessions.json", about: "sessions and how the last ones ended, counted: no clients", write: func(ctx context.Context, w io.Writer) error {
			sessions, err := c.Sessions(ctx, api.SessionQuery{Ended: true})
			return asJSON(w, summary(sessions), err)
		}},
		part{name: "events.json", about: "what has happened", write: func(ctx context.Context, w io.Writer) error {
			page, err := c.Events(ctx, 0, false)
			for i := range page.Events {
				maskReload(&page.Events[i])
			}
			return asJSON(w, page, err)
		}},
	)
}

// config lists the configuration, and remembers its secrets to mask them in the other parts.
func (b *Bundle) config(c *control.Client) func(context.Context, io.Writer) error {
	return func(ctx context.Context, w io.Writer) error {
		file, err := c.Config(ctx)
		if err != nil {
			return err
		}
		listing, secrets, err := config.Redact(file.Path, file.Text)
		if err != nil {
			return fmt.Errorf("this program, which may be another version than the instance, cannot read it to take secrets out: %w", err)
		}
		b.secrets, b.TakenOut = words(secrets, listing), len(secrets)
		_, err = fmt.Fprintf(w, "# %s\n%s", file.Path, listing)
		return err
	}
}

func asJSON(w io.Writer, v any, err error) error {
	if err != nil {
		return err
	}
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

// group is a group of similar sessions.
type group struct {
	Service  string       `json:"service"`
	Backend  string       `json:"backend,omitempty"`
	Via      string       `json:"via"`
	Phase    string       `json:"phase"`
	Runner   string       `json:"relay,omitempty"`
	EndedBy  string       `json:"ended_by,omitempty"` // "": live or waiting
	Reason   proxy.Reason `json:"reason,omitempty"`
	Sessions int          `json:"sessions"`

	OldestSeconds float64 `json:"oldest_seconds"`
	IdleSeconds   float64 `json:"idle_seconds"` // of the session that has been idle longest
	BytesIn       int64   `json:"bytes_in"`
	BytesOut      int64   `json:"bytes_out"`
}

// summary counts sessions without naming clients.
func summary(sessions []proxy.SessionInfo) []*group {
	groups := []*group{}
	known := map[group]*group{}
	for _, s := range sessions {
		key := group{Service: s.Service, Backend: s.Backend, Via: s.Via, Phase: s.Phase, Runner: s.Runner}
		if s.Ended != nil {
			key.EndedBy, key.Reason = s.Ended.By, s.Ended.Reason
		}
		g := known[key]
		if g == nil {
			made := key
			g = &made
			known[key] = g
			groups = append(groups, g)
		}
		g.Sessions++
		g.OldestSeconds, g.IdleSeconds = max(g.OldestSeconds, s.AgeSeconds), max(g.IdleSeconds, s.IdleSeconds)
		g.BytesIn, g.BytesOut = g.BytesIn+s.BytesIn, g.BytesOut+s.BytesOut
	}
	return groups
}
