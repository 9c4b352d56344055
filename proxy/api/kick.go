package api

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/proxy/text"
)

// kick closes the sessions that r names, here and in predecessors.
func (l *Local) kick(_ *Status, _ *Act, r Request) (Result, error) {
	found, err := l.sessionsOf(&r)
	if err != nil {
		return Result{}, err
	}
	at, n := map[int][]string{}, len(found) // ids by process; 0 is this process
	for _, s := range found {
		at[s.PID] = append(at[s.PID], s.ID)
	}
	ended, err := l.endedOf(&r, found)
	if err != nil {
		return Result{}, err
	}
	pace := ""
	if r.Rate > 0 {
		pace = fmt.Sprintf(", %g a second", r.Rate)
	}
	switch {
	case r.DryRun:
		ids := slices.Concat(slices.Collect(maps.Values(at))...)
		return Result{Texts: []string{"nothing was done"}, Impact: []Impact{{Target: strings.Join(ids, " "), Cut: n,
			Lines: append([]string{text.Plural(n, "client") + " would see a reset" + pace}, sessionTexts(found)...)}}}, nil
	case n == 0 && len(ended) > 0:
		return Result{Texts: ended}, nil
	}
	kicked := 0
	for pid, ids := range at {
		one := r
		one.Targets, one.Rate = ids, r.Rate*float64(len(ids))/float64(n)
		k, err := l.kickAt(pid, one)
		if err != nil {
			return Result{}, err
		}
		kicked += k
	}
	did := "kicked " + text.Plural(kicked, "session")
	if r.Rate > 0 && n > 1 {
		did = "kicking " + text.Plural(n, "session") + pace
	}
	ev := proxy.Event{Kind: proxy.EventOperator, Service: r.Service, By: r.By, Command: r.CommandLine()}
	if n == 1 {
		ev.Service, ev.Backend = found[0].Service, found[0].Backend
	}
	if n > 0 {
		did += ": " + strings.Join(sessionTexts(found), "; ")
	}
	ev.Text = did
	l.Engine.Operator().Note(ev)
	return Result{Texts: append([]string{did}, ended...)}, nil
}

// sessionsOf returns the live sessions that r selects.
func (l *Local) sessionsOf(r *Request) (found []proxy.SessionInfo, err error) {
	q := SessionQuery{Service: r.Service, Backend: r.Backend, Client: r.Client}
	keep, err := q.filter(l.Engine)
	if err != nil {
		return nil, err
	}
	for info := range l.Live(context.Background(), q) {
		named := slices.Contains(r.Targets, info.ID)
		if named || len(r.Targets) == 0 && keep(&info) {
			found = append(found, info)
		}
	}
	return found, nil
}

// endedOf returns a line for each session in r that has already ended; one that never
// existed is an error.
func (l *Local) endedOf(r *Request, live []proxy.SessionInfo) (lines []string, err error) {
	for _, id := range r.Targets {
		switch {
		case slices.ContainsFunc(live, func(s proxy.SessionInfo) bool { return s.ID == id }):
		case l.Engine.Operator().Existed(id):
			lines = append(lines, id+": already ended")
		default:
			return nil, Unknown(fmt.Sprintf("there is no session %q", id), "tcpctl sessions lists the live ones")
		}
	}
	return lines, nil
}

// kickAt kicks sessions of one process, and returns how many it found.
func (l *Local) kickAt(pid int, r Request) (int, error) {
	switch {
	case pid != 0:
		return l.kickEarlier(pid, r), nil
	case r.Rate > 0 && len(r.Targets) > 1:
		return 0, l.Engine.Operator().KickSlowly(r.By, r.Reason, r.Rate, r.Targets...)
	}
	return l.Engine.Operator().Kick(r.By, r.Reason, r.Targets...), nil
}

// SessionText describes a session for people: "s4711 10.2.0.9:51344 on db/a, 12m4s
// old, 1.4M/s". rate is in bytes per second, both directions together.
func SessionText(s *proxy.SessionInfo, rate float64) string {
	age := text.Duration(time.Duration(s.AgeSeconds) * time.Second)
	if s.Phase == proxy.PhaseQueue || s.Backend == "" {
		return fmt.Sprintf("%s %s waiting for %s for %s", s.ID, s.Client, s.Service, age)
	}
	return fmt.Sprintf("%s %s on %s/%s, %s old, %s/s", s.ID, s.Client, s.Service, s.Backend, age, text.Bytes(rate))
}

// sessionTexts describes some of the sessions, each with its average rate.
func sessionTexts(all []proxy.SessionInfo) (texts []string) {
	const most = 5
	for i := range all {
		if i == most && len(all) > most+1 {
			return append(texts, fmt.Sprintf("and %d more", len(all)-i))
		}
		s := &all[i]
		rate := 0.0
		if s.AgeSeconds > 0 {
			rate = float64(s.BytesIn+s.BytesOut) / s.AgeSeconds
		}
		texts = append(texts, SessionText(s, rate))
	}
	return texts
}
