package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/proxy/api"
	"github.com/tcpctl/tcpctl/proxy/text"
)

// stretchFlags are the flags of commands about a period of time.
type stretchFlags struct{ since, until, service string }

func (s *stretchFlags) add(f *pflag.FlagSet, since string) {
	f.StringVar(&s.since, "since", since, "start `TIME`: how long ago (2h, 3d), a time of day (03:00), or a date (2026-11-28 03:00)")
	f.StringVar(&s.until, "until", "", "end `TIME` (default: now)")
}

// stretch parses the flags, in this machine's clock and zone.
func (s *stretchFlags) stretch() (st api.Stretch, err error) {
	now := time.Now()
	st = api.Stretch{Until: now, Service: s.service}
	if st.Since, err = api.ParseTime(s.since, now); err != nil {
		return st, flagError("since", err)
	}
	if s.until != "" {
		if st.Until, err = api.ParseTime(s.until, now); err != nil {
			return st, flagError("until", err)
		}
	}
	if !st.Since.Before(st.Until) {
		return st, usage("--since %s is not before --until %s", st.Since.Format(time.DateTime), st.Until.Format(time.DateTime))
	}
	return st, nil
}

func flagError(flag string, err error) error {
	e := api.AsError(err)
	return api.Wrong("--"+flag+": "+e.Text, e.Hint)
}

func historyCommand() *cobra.Command {
	var asJSON bool
	var when stretchFlags
	var q api.TimelineQuery
	cmd := &cobra.Command{
		Use: "history", GroupID: groupLook,
		Short: "Show past acts and events, including those before the last start",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			if q.Stretch, err = when.stretch(); err != nil {
				return err
			}
			ask := func(ctx context.Context, src api.Source) ([]proxy.Event, error) {
				return src.(api.History).Timeline(ctx, q)
			}
			if everywhere(cmd) {
				return mergedEvents(cmd, asJSON, ask)
			}
			return readHere(cmd, asJSON, ask, func(all []proxy.Event) {
				for _, ev := range all {
					printEvent(cmd.OutOrStdout(), "", ev, false)
				}
				if len(all) == 0 {
					fmt.Fprintf(cmd.ErrOrStderr(), "tcpctl: nothing is recorded from %s to %s\n", clock(q.Since), clock(q.Until))
				}
			})
		},
	}
	f := cmd.Flags()
	when.add(f, "24h")
	f.StringVar(&when.service, "service", "", "only events of `SERVICE`, and of no service")
	f.StringVar(&q.Kind, "kind", "", "only events whose kind is `KIND` or begins with it: operator, mark, backend, backend.down")
	f.StringVar(&q.By, "who", "", "only acts of `USER`: ana, or ana@edge-01")
	f.IntVar(&q.Limit, "limit", 0, "only the newest `N` (default 10000)")
	jsonFlag(cmd, &asJSON)
	return takesAll(cmd)
}

func topCommand() *cobra.Command {
	var asJSON bool
	var when stretchFlags
	var q api.TopQuery
	cmd := &cobra.Command{
		Use: "top [SERVICE]", GroupID: groupLook,
		Short: "Show which clients use a service most",
		Args:  cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			if len(args) == 1 {
				when.service = args[0]
			}
			if q.Stretch, err = when.stretch(); err != nil {
				return err
			}
			ask := func(ctx context.Context, src api.Source) (*api.Top, error) { return src.(api.History).Top(ctx, q) }
			if everywhere(cmd) {
				return readEverywhere(cmd, asJSON, ask, topHead, topRows, func(node string, top *api.Top) []any {
					return []any{struct {
						Node string `json:"node"`
						*api.Top
					}{node, top}}
				})
			}
			return readHere(cmd, asJSON, ask, func(top *api.Top) { append(table{topHead}, topRows(top)...).print(cmd.OutOrStdout()) })
		},
	}
	f := cmd.Flags()
	when.add(f, "5m")
	f.StringVar(&q.By, "by", "bytes", "sort by `bytes|sessions|waiting`")
	f.StringVar(&q.Group, "group", "client", "group by `client|net|service` (net: an IPv4 /24 or IPv6 /64)")
	f.IntVar(&q.Limit, "limit", 10, "show the first `N`")
	jsonFlag(cmd, &asJSON)
	return takesAll(cmd)
}

var topHead = []string{"NAME", "SERVICE", "SHARE", "SESSIONS", "IN", "OUT", "IN/s", "OUT/s", "WAITED"}

func topRows(top *api.Top) (t [][]string) {
	seconds := max(top.Until.Sub(top.Since).Seconds(), 1)
	row := func(name string, r *api.Talker) {
		t = append(t, []string{text.Safe(name), r.Service, fmt.Sprintf("%.0f%%", 100*r.Share), fmt.Sprint(r.Sessions), amount(float64(r.BytesIn)), amount(float64(r.BytesOut)),
			amount(float64(r.BytesIn) / seconds), amount(float64(r.BytesOut) / seconds), text.Took(r.WaitingSeconds)})
	}
	for i := range top.Rows {
		row(top.Rows[i].Name, &top.Rows[i])
	}
	if o := &top.Others; o.Sessions > 0 || o.BytesIn+o.BytesOut > 0 || o.WaitingSeconds > 0 {
		row("others", o)
	}
	return t
}
