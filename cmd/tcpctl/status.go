package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/proxy/api"
	"github.com/tcpctl/tcpctl/proxy/text"
)

func statusCommand() *cobra.Command {
	var asJSON, watch bool
	cmd := &cobra.Command{
		Use: "status [SERVICE]", Aliases: []string{"list"}, GroupID: groupLook,
		Short: "Show services and backends",
		Args:  cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			src := source(cmd)
			defer src.Close()
			only := ""
			if len(args) == 1 {
				only = args[0]
			}
			if everywhere(cmd) {
				return statusEverywhere(cmd, only, watch, asJSON)
			}
			if watch {
				return watchStatus(cmd, src, only, asJSON)
			}
			before, err := fetch(cmd.Context(), src, only)
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(cmd.OutOrStdout(), before)
			}
			time.Sleep(ratesOver)
			now, err := fetch(cmd.Context(), src, only)
			if err == nil {
				printStatus(cmd.OutOrStdout(), before, now)
			}
			return err
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	cmd.Flags().BoolVarP(&watch, "watch", "w", false, "repeat every second; with --json one object per line")
	return takesAll(cmd)
}

// statusEverywhere shows the status of every node.
func statusEverywhere(cmd *cobra.Command, only string, watch, asJSON bool) error {
	if watch {
		return usage("status --watch is for one node; name it with --peer NODE, or leave --watch out")
	}
	ask := func(ctx context.Context, src api.Source) (both [2]*api.Status, err error) {
		both[0], err = fetch(ctx, src, only)
		if err == nil && !asJSON && sleep(ctx, ratesOver) {
			both[1], err = fetch(ctx, src, only)
		}
		return both, err
	}
	return readEverywhere(cmd, asJSON, ask, statusHead,
		func(both [2]*api.Status) [][]string { return statusRows(both[0], both[1]) },
		func(_ string, both [2]*api.Status) []any { return []any{both[0]} })
}

// ratesOver is the time between the two statuses from which rates are computed.
const ratesOver = 250 * time.Millisecond

// fetch returns the status, of one service only if it is named.
func fetch(ctx context.Context, src api.Source, only string) (*api.Status, error) {
	st, err := src.Status(ctx)
	if err != nil || only == "" {
		return st, err
	}
	svc, err := st.FindService(only)
	if err != nil {
		return nil, err
	}
	st.Services = []proxy.ServiceInfo{*svc}
	return st, nil
}

// printStatus prints a row for each service, its notes, and a row for each backend.
func printStatus(w io.Writer, before, now *api.Status) {
	append(table{statusHead}, statusRows(before, now)...).print(w)
}

var statusHead = []string{"SERVICE", "LISTEN", "STATE", "ACTIVE", "QUEUE", "OLDEST", "IN/s", "OUT/s", ""}

func statusRows(before, now *api.Status) (t [][]string) {
	seconds := now.Node.Now.Sub(before.Node.Now).Seconds()
	for i := range now.Services {
		s := &now.Services[i]
		old := s // 0 at first
		if n := slices.IndexFunc(before.Services, func(o proxy.ServiceInfo) bool { return o.Name == s.Name && o.Removing == s.Removing }); n >= 0 {
			old = &before.Services[n]
		}
		rate := rates(seconds, s.BytesIn, s.BytesOut, old.BytesIn, old.BytesOut)
		note := ""
		if s.Lock != nil {
			note = s.Lock.Text()
		}
		if s.Removing {
			note = "removed by a reload; serves its last clients"
		}
		if len(s.SNI) > 0 {
			note = strings.TrimPrefix(note+", sni "+strings.Join(s.SNI, " "), ", ")
		}
		oldest := "-"
		if s.Queue.Waiting > 0 {
			oldest = text.Took(s.Queue.OldestSeconds)
		}
		t = append(t, []string{s.Name, strings.Join(s.Listen, " "), s.State, fmt.Sprint(s.Sessions.Active),
			fmt.Sprint(s.Queue.Waiting), oldest, rate[0], rate[1], note})
		for _, note := range clientNotes(s) {
			t = append(t, []string{"\x00          " + note})
		}
		if text := s.Hook.Text(now.Node.Now); text != "" {
			t = append(t, []string{"\x00          " + text})
		}
		for i := range s.Discovery {
			t = append(t, []string{"\x00          " + s.Discovery[i].Text(now.Node.Now)})
		}
		if c := now.Certificate(s.Name); c != nil && c.Near(now.Node.Now) {
			t = append(t, []string{"\x00          " + c.Text(now.Node.Now)})
		}
		if p := s.Pause; p != nil {
			t = append(t, []string{"\x00          " + pauseLine(p, now.Node.Now)})
		}
		for _, b := range s.Backends {
			t = append(t, backendRow(s, &b, old, seconds, now.Node.Now))
		}
	}
	for _, p := range now.Predecessors {
		t = append(t, []string{fmt.Sprintf("\x00process %d, from before an upgrade, has %d of these sessions and %d of these waiters", p.PID, p.Active, p.Waiting)})
	}
	return t
}

// clientNotes says which clients a service accepts, and why it refused others.
func clientNotes(s *proxy.ServiceInfo) (notes []string) {
	if l := s.AllowList; l != nil {
		notes = append(notes, l.Text("allow_file"))
	}
	if l := s.DenyList; l != nil {
		notes = append(notes, l.Text("deny_file"))
	}
	if text := s.RefusedText(); text != "" {
		notes = append(notes, text)
	}
	return notes
}

// backendRow is a backend of a service, which was before some seconds ago.
func backendRow(s *proxy.ServiceInfo, b *proxy.BackendInfo, before *proxy.ServiceInfo, seconds float64, now time.Time) []string {
	active, rate := fmt.Sprint(b.Active), [2]string{"-", "-"}
	if b.State == proxy.StateUp || b.Active > 0 {
		old := b
		if n := slices.IndexFunc(before.Backends, func(o proxy.BackendInfo) bool {
			return o.Name == b.Name && o.Addr == b.Addr && o.Removing == b.Removing
		}); n >= 0 {
			old = &before.Backends[n]
		}
		rate = rates(seconds, b.BytesIn, b.BytesOut, old.BytesIn, old.BytesOut)
	} else {
		active = "-"
	}
	return []string{"  " + b.Name, b.Addr, stateSign(b) + " " + b.State, active, "", "", rate[0], rate[1], backendNote(b, now)}
}

// stateSign returns the sign of a state, so that it can be read without colour.
func stateSign(b *proxy.BackendInfo) string {
	switch {
	case b.Admin == proxy.AdminMaint:
		return "="
	case b.State == proxy.StateDown:
		return "!"
	case b.Admin == proxy.AdminDrain:
		return "~"
	case b.State == proxy.StateEjected:
		return "x"
	case b.State == proxy.StateChecking:
		return "?"
	}
	return "+"
}

// backendNote says why a backend gets no sessions, and how far a drain has come.
func backendNote(b *proxy.BackendInfo, now time.Time) string {
	note := b.Reason
	switch {
	case b.Reason == "down" && b.Check != nil:
		note = fmt.Sprintf("%s (%d of %d checks failed)", b.Check.Detail, min(b.Check.Consecutive, b.Check.Threshold), b.Check.Threshold)
		if b.Check.OK {
			note = fmt.Sprintf("%d of %d checks passed", b.Check.Consecutive, b.Check.Threshold)
		}
	case b.Ejected != nil && b.Reason == proxy.StateEjected:
		note += ": " + b.Ejected.Text(now)
	case b.Reason == "checking" && b.Check != nil:
		note = "checking: " + b.Check.Detail
	case b.State == proxy.StateChecking && b.Check != nil: // it gets sessions, whose failures are this detail
		note = fmt.Sprintf("%s (%d of %d)", b.Check.Detail, b.Check.Consecutive, b.Check.Threshold)
	case b.Drain != nil && b.Active > 0:
		note += fmt.Sprintf(": %d of %d remaining", b.Drain.Remaining, b.Drain.StartedWith)
	}
	if c := b.Check; c != nil && c.By != "" && b.Admin != proxy.AdminMaint {
		note = strings.TrimPrefix(note+", checked by "+c.By, ", ")
	}
	return note
}

func pauseLine(p *proxy.PauseInfo, now time.Time) string {
	text := fmt.Sprintf("by %s %s ago, until %s", p.Owner, text.Took(now.Sub(p.Since).Seconds()), clock(p.Until))
	if p.Reason != "" {
		text += fmt.Sprintf(": %q", p.Reason)
	}
	if p.Step != "" {
		text += fmt.Sprintf("; %s, step %s", p.By, p.Step)
	}
	if p.Overdue {
		return text + "; overdue: clients are rejected until its command has ended"
	}
	return text + "; resumes by itself"
}

// rates formats bytes per second, in and out.
func rates(seconds float64, in, out, oldIn, oldOut int64) [2]string {
	if seconds <= 0 {
		return [2]string{"0", "0"}
	}
	return [2]string{amount(float64(max(in-oldIn, 0)) / seconds), amount(float64(max(out-oldOut, 0)) / seconds)}
}
