package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/proxy/api"
	"github.com/tcpctl/tcpctl/proxy/text"
)

// completeTime bounds the time to complete a word: an instance that does not answer must not block
// the shell.
const completeTime = time.Second

// offer returns the possible next words, each with its description after a tab; args are the words
// before.
type offer func(ctx context.Context, src api.Source, args []string) []string

// completions makes every command and flag that names something of the running instance complete
// its current names.
func completions(root *cobra.Command) {
	offers := map[string]offer{
		"status": once(services), "sessions": once(services), "queue": once(services), "window": once(services), "report": once(reports),
	}
	for i := range api.Acts {
		offers[api.Acts[i].Name] = offerOf(&api.Acts[i])
	}
	words := map[string][]string{
		"then": proxy.Thens, "no-backend": {"hold", "reject"}, "relay": {"auto", "loop", "stream"},
		"balance": {"random", "roundrobin", "leastconn", "p2c", "source", "first"}, "check": {"tcp", "http:/", "none"},
	}
	live := map[string]offer{"service": services, "backend": backendNames}
	for _, c := range root.Commands() {
		if o := offers[c.Name()]; o != nil {
			c.ValidArgsFunction = ask(o)
		}
		for flag, all := range words {
			if c.Flags().Lookup(flag) != nil {
				c.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(all, cobra.ShellCompDirectiveNoFileComp))
			}
		}
		for flag, o := range live {
			if f := c.Flags().Lookup(flag); f != nil && f.Value.Type() == "string" && c.GroupID != groupRun {
				c.RegisterFlagCompletionFunc(flag, ask(o))
			}
		}
	}
}

// ask converts an offer to cobra's type.
func ask(o offer) func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return func(cmd *cobra.Command, args []string, begun string) ([]string, cobra.ShellCompDirective) {
		if cmd.Name() == "window" && len(args) > 0 {
			return nil, cobra.ShellCompDirectiveDefault // another program's arguments
		}
		src := source(cmd)
		defer src.Close()
		ctx, cancel := context.WithTimeout(context.Background(), completeTime)
		defer cancel()
		var all []string
		for _, word := range o(ctx, src, args) {
			if strings.HasPrefix(word, begun) {
				name, about, tab := strings.Cut(word, "\t")
				if name = text.Safe(name); tab {
					name += "\t" + text.Safe(about)
				}
				all = append(all, name)
			}
		}
		return all, cobra.ShellCompDirectiveNoFileComp
	}
}

// nameEnd returns where the word ends and its description begins.
func nameEnd(word string) int {
	if i := strings.IndexByte(word, '\t'); i >= 0 {
		return i
	}
	return len(word)
}

// offerOf returns the offer for an act's targets.
func offerOf(a *api.Act) offer {
	var o offer
	switch {
	case a.Name == "probe":
		o = both(services, backends)
	case a.Name == "plan":
		return func(ctx context.Context, src api.Source, args []string) []string {
			switch len(args) {
			case 0:
				return []string{"pause", "next", "abort"}
			case 1:
				return reports(ctx, src, nil)
			}
			return nil
		}
	case a.On == api.OnService:
		o = services
	case a.On == api.OnBackend:
		o = backends
	case a.On == api.OnSession:
		o = sessionIDs
	default:
		return func(context.Context, api.Source, []string) []string { return nil }
	}
	if a.Many {
		return more(o)
	}
	return once(o)
}

// once offers only the first word; more offers each word that was not given yet.
func once(o offer) offer {
	return func(ctx context.Context, src api.Source, args []string) []string {
		if len(args) > 0 {
			return nil
		}
		return o(ctx, src, args)
	}
}

func more(o offer) offer {
	return func(ctx context.Context, src api.Source, args []string) []string {
		return slices.DeleteFunc(o(ctx, src, args), func(word string) bool { return slices.Contains(args, word[:nameEnd(word)]) })
	}
}

func both(a, b offer) offer {
	return func(ctx context.Context, src api.Source, args []string) []string {
		return append(a(ctx, src, args), b(ctx, src, args)...)
	}
}

func services(ctx context.Context, src api.Source, _ []string) (all []string) {
	if st, err := src.Status(ctx); err == nil {
		for _, s := range st.Services {
			all = append(all, fmt.Sprintf("%s\t%s, %d active, %d waiting", s.Name, s.State, s.Sessions.Active, s.Queue.Waiting))
		}
	}
	return all
}

func backends(ctx context.Context, src api.Source, _ []string) (all []string) {
	if st, err := src.Status(ctx); err == nil {
		for _, s := range st.Services {
			for _, b := range s.Backends {
				all = append(all, fmt.Sprintf("%s/%s\t%s, %s, %d active", s.Name, b.Name, b.State, b.Admin, b.Active))
			}
		}
	}
	return all
}

// backendNames offers the backends' names of all services, for a flag.
func backendNames(ctx context.Context, src api.Source, args []string) (all []string) {
	for _, word := range backends(ctx, src, args) {
		_, name := api.SplitTarget(word)
		if !slices.Contains(all, name) {
			all = append(all, name)
		}
	}
	return all
}

func sessionIDs(ctx context.Context, src api.Source, _ []string) (all []string) {
	list, _ := src.Sessions(ctx, api.SessionQuery{Limit: 200})
	for _, s := range list {
		all = append(all, fmt.Sprintf("%s\t%s of %s, %s, %s", s.ID, s.Client, s.Service, s.Phase, text.Took(s.AgeSeconds)))
	}
	return all
}

// nodeNames offers the nodes of the mesh, and "all".
func nodeNames(ctx context.Context, src api.Source, _ []string) (all []string) {
	st, err := src.Status(ctx)
	if err != nil || st.Mesh == nil {
		return nil
	}
	for i := range st.Mesh.Peers {
		if p := &st.Mesh.Peers[i]; !p.Stranger() {
			all = append(all, fmt.Sprintf("%s\t%s, %s", p.Called(), p.Addr, p.State))
		}
	}
	return append(all, allPeers+"\tthis node and every member of its mesh")
}

func reports(ctx context.Context, src api.Source, _ []string) (all []string) {
	p, ok := src.(api.Planner)
	if !ok {
		return nil
	}
	list, _ := p.Reports(ctx)
	for _, r := range list {
		all = append(all, fmt.Sprintf("%s\t%s %s, %s", r.ID, r.Kind, r.Service, r.State))
	}
	return all
}
