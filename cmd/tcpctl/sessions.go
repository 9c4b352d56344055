package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/proxy/api"
	"github.com/tcpctl/tcpctl/proxy/text"
)

func sessionsCommand() *cobra.Command {
	var q api.SessionQuery
	var asJSON bool
	cmd := &cobra.Command{
		Use: "sessions [SERVICE]", GroupID: groupLook,
		Short: "Show live sessions",
		Args:  cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 {
				q.Service = args[0]
			}
			ask := func(ctx context.Context, src api.Source) ([]proxy.SessionInfo, error) { return src.Sessions(ctx, q) }
			if everywhere(cmd) {
				return readEverywhere(cmd, asJSON, ask, sessionHead, sessionRows,
					elements(func(node string, s proxy.SessionInfo) any {
						return struct {
							Node string `json:"node"`
							proxy.SessionInfo
						}{node, s}
					}))
			}
			return readHere(cmd, asJSON, ask, func(all []proxy.SessionInfo) {
				append(table{sessionHead}, sessionRows(all)...).print(cmd.OutOrStdout())
			})
		},
	}
	f := cmd.Flags()
	f.StringVar(&q.Backend, "backend", "", "only sessions on `BACKEND`")
	f.StringVar(&q.Client, "client", "", "only sessions from this address or `CIDR`")
	durationVar(f, &q.OlderThan, "older", 0, "only sessions older than this")
	f.BoolVar(&q.Ended, "ended", false, "also show recently ended sessions")
	f.BoolVar(&asJSON, "json", false, "print JSON")
	return takesAll(cmd)
}

var sessionHead = []string{"ID", "CLIENT", "SERVICE", "BACKEND", "VIA", "PROTOCOL", "PING", "PHASE", "AGE", "IDLE", "IN", "OUT", ""}

func sessionRows(all []proxy.SessionInfo) (t [][]string) {
	for _, s := range all {
		row := []string{s.ID, s.Client, s.Service, s.Backend, s.Via, s.Subprotocol, "", s.Phase, text.Took(s.AgeSeconds),
			text.Took(s.IdleSeconds), amount(float64(s.BytesIn)), amount(float64(s.BytesOut)), ""}
		if s.PingSeconds > 0 {
			row[6] = fmt.Sprintf("%.1fms", s.PingSeconds*1000)
		}
		if e := s.Ended; e != nil {
			row[12] = fmt.Sprintf("ended by %s: %s", e.By, e.Cause())
			if e.CloseCode != 0 {
				row[12] += fmt.Sprintf(", closed with %d", e.CloseCode)
			}
		}
		t = append(t, row)
	}
	return t
}
