package main

import (
	"context"
	"fmt"
	"sort"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/control"
	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/proxy/api"
	"github.com/tcpctl/tcpctl/proxy/text"
)

// eventsEverywhere shows the events of every node in the order of their times, by each node's own
// clock.
func eventsEverywhere(cmd *cobra.Command, follow, asJSON bool) error {
	if follow {
		src := source(cmd)
		defer src.Close()
		return (&eventsFollower{cmd: cmd, src: src, asJSON: asJSON, seen: map[string]*followedNode{}}).run()
	}
	return mergedEvents(cmd, asJSON, func(ctx context.Context, one api.Source) ([]proxy.Event, error) {
		page, err := one.Events(ctx, 0, false)
		return page.Events, err
	})
}

// mergedEvents asks each node for events, and prints all in one list.
func mergedEvents(cmd *cobra.Command, asJSON bool, ask func(context.Context, api.Source) ([]proxy.Event, error)) error {
	src := source(cmd)
	defer src.Close()
	answers, err := askEverywhere(cmd, src, ask)
	if err != nil {
		return err
	}
	var all []nodeEvent
	width := 0
	for _, a := range answers {
		width = max(width, len([]rune(text.Safe(a.Node))))
		for _, ev := range a.Result {
			all = append(all, nodeEvent{a.Node, ev})
		}
	}
	sort.SliceStable(all, func(i, j int) bool { return all[i].Time.Before(all[j].Time) })
	list := []any{}
	for _, ev := range all {
		list = append(list, ev)
		if !asJSON {
			printEvent(cmd.OutOrStdout(), fmt.Sprintf("%-*s", width, text.Safe(ev.Node)), ev.Event, false)
		}
	}
	for _, a := range answers {
		if a.Error != nil {
			list = append(list, a)
			if !asJSON {
				fmt.Fprintf(cmd.ErrOrStderr(), "tcpctl: %s: %s\n", a.Node, a.Error.Error())
			}
		}
	}
	if asJSON {
		if err := printJSON(cmd.OutOrStdout(), list); err != nil {
			return err
		}
	}
	return notAll(answers, "the answers of the other nodes are shown")
}

// eventsFollower prints the events of all nodes as they come, including nodes that join later or
// come back.
type eventsFollower struct {
	cmd    *cobra.Command
	src    *control.Client
	asJSON bool

	mu   sync.Mutex // guards what follows, and printing
	seen map[string]*followedNode
}

type followedNode struct {
	since  uint64
	asking bool
	failed string // the last printed error
}

// membersEvery is how often the members are listed again.
const membersEvery = 2 * time.Second

func (f *eventsFollower) run() error {
	ctx, cancel := context.WithCancel(f.cmd.Context())
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	for {
		members, err := api.Members(ctx, f.src)
		if err != nil {
			return err
		}
		for _, m := range members {
			one := api.Source(f.src)
			if !m.Here() {
				one = f.src.Peer(m.ID)
			}
			if m.Unreachable() == "" && f.begin(m.ID) {
				wg.Go(func() { f.follow(ctx, m, one) })
			}
		}
		if stdout.Err() != nil {
			return nil
		}
		if !sleep(ctx, membersEvery) {
			return ctx.Err()
		}
	}
}

// begin returns false if the node is already being followed.
func (f *eventsFollower) begin(id string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := f.seen[id]
	if n == nil {
		n = &followedNode{}
		f.seen[id] = n
	}
	if n.asking {
		return false
	}
	n.asking = true
	return true
}

// follow ends if the node does not answer; run starts it again.
func (f *eventsFollower) follow(ctx context.Context, m api.Member, src api.Source) {
	f.mu.Lock()
	n := f.seen[m.ID]
	since := n.since
	f.mu.Unlock()
	for first := since == 0; ; first = false {
		page, err := src.Events(ctx, since, !first)
		f.mu.Lock()
		if err != nil {
			if ctx.Err() == nil && err.Error() != n.failed {
				n.failed = err.Error()
				fmt.Fprintf(f.cmd.ErrOrStderr(), "tcpctl: %s: %s\n", text.Safe(m.Node), text.Safe(n.failed))
			}
			n.asking = false
			f.mu.Unlock()
			return
		}
		n.failed = ""
		if page.Dropped > 0 && !first {
			fmt.Fprintf(f.cmd.ErrOrStderr(), "tcpctl: %s: %d events were dropped: they came faster than this command reads\n", text.Safe(m.Node), page.Dropped)
		}
		for _, ev := range page.Events {
			printEvent(f.cmd.OutOrStdout(), m.Node, ev, f.asJSON)
			since = ev.Seq
		}
		n.since = since
		f.mu.Unlock()
	}
}
