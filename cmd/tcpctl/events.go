package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/control"
	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/proxy/text"
)

func eventsCommand() *cobra.Command {
	var asJSON, follow bool
	cmd := &cobra.Command{
		Use: "events", GroupID: groupLook,
		Short: "Show events: what happened, when, and which operator did it",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if everywhere(cmd) {
				return eventsEverywhere(cmd, follow, asJSON)
			}
			src := source(cmd)
			defer src.Close()
			out := cmd.OutOrStdout()
			since := uint64(0)
			for first := true; ; first = false {
				page, err := src.Events(cmd.Context(), since, !first)
				switch {
				case err != nil && !first && cmd.Context().Err() == nil && !control.Answers(src.Path()):
					return fmt.Errorf("the instance on %s has ended; start it again, or give another --socket", src.Path())
				case err != nil:
					return err
				}
				if page.Dropped > 0 && !first {
					fmt.Fprintf(cmd.ErrOrStderr(), "tcpctl: %d events were dropped: they came faster than this command reads\n", page.Dropped)
				}
				if asJSON && !follow {
					return printJSON(out, page.Events)
				}
				for _, ev := range page.Events {
					printEvent(out, "", ev, asJSON)
					since = ev.Seq
				}
				if !follow || stdout.Err() != nil {
					return nil
				}
			}
		},
	}
	cmd.Flags().BoolVarP(&follow, "follow", "f", false, "keep printing new events")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON document, a list; with --follow one object per line")
	return takesAll(cmd)
}

// nodeEvent is an event of one of several nodes.
type nodeEvent struct {
	Node string `json:"node"`
	proxy.Event
}

// printEvent prints one event, with its node if there are several.
func printEvent(w io.Writer, node string, ev proxy.Event, asJSON bool) {
	if asJSON && node != "" {
		printJSONLine(w, nodeEvent{node, ev})
		return
	}
	if asJSON {
		printJSONLine(w, ev)
		return
	}
	line := ""
	if node != "" {
		line = text.Safe(node) + "  "
	}
	line += clock(ev.Time) + " " + eventSign(ev) + " "
	if ev.By != "" {
		line += text.Safe(ev.By) + ": "
	}
	line += text.Safe(ev.Text)
	if ev.Command != "" {
		line += "   = " + text.Safe(ev.Command)
	}
	fmt.Fprintln(w, line)
}

// eventSign returns the sign of an event's severity.
func eventSign(ev proxy.Event) string {
	switch {
	case ev.Kind == proxy.EventOperator || ev.Kind == proxy.EventMark:
		return ">"
	case ev.Level == proxy.LevelAlarm:
		return "!"
	case ev.Level == proxy.LevelWarn:
		return "*"
	case ev.Level == proxy.LevelGood:
		return "+"
	}
	return "."
}
