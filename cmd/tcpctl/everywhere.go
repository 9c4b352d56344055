package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/control"
	"github.com/tcpctl/tcpctl/mesh/meshinfo"
	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/proxy/api"
	"github.com/tcpctl/tcpctl/proxy/text"
)

// allPeers is the value of --peer for every node.
const allPeers = "all"

// takesAll marks a command that accepts --peer all.
func takesAll(c *cobra.Command) *cobra.Command {
	c.Annotations = map[string]string{allPeers: ""}
	return c
}

// peerFlags adds --peer to the commands that ask an instance. Others refuse it rather than answer for another node than
// the named one.
func peerFlags(root *cobra.Command) {
	here := []string{"check", "debug", "docs", "import", "init", "man", "themes", "version"}
	for _, c := range append(root.Commands(), root) {
		if c != root && (c.GroupID != groupLook && c.GroupID != groupAct || slices.Contains(here, c.Name())) {
			continue
		}
		help := "act on `NODE` of the mesh"
		if _, all := c.Annotations[allPeers]; all {
			help += "; \"all\": on every node"
		}
		c.Flags().String("peer", "", help)
		c.RegisterFlagCompletionFunc("peer", ask(nodeNames))
	}
}

// checkPeer refuses what --peer cannot name.
func checkPeer(cmd *cobra.Command) error {
	f := cmd.Flags().Lookup("peer")
	if f == nil || !f.Changed {
		return nil
	}
	_, all := cmd.Annotations[allPeers]
	switch {
	case f.Value.String() == "":
		return usage("--peer needs a node, or all; tcpctl peers lists them")
	case f.Value.String() == allPeers && !all:
		return usage("%s is for one node: name it with --peer NODE; tcpctl peers lists them", commandName(cmd))
	}
	return nil
}

// commandName returns a command's name for messages.
func commandName(cmd *cobra.Command) string { return strings.TrimPrefix(cmd.CommandPath(), "tcpctl ") }

// everywhere reports whether a command is for this node and all its peers.
func everywhere(cmd *cobra.Command) bool {
	peer, _ := cmd.Flags().GetString("peer")
	return peer == allPeers
}

// askEverywhere asks every node at once.
func askEverywhere[T any](cmd *cobra.Command, src *control.Client, ask func(context.Context, api.Source) (T, error)) ([]api.Answer[T], error) {
	ctx, cancel := context.WithTimeout(cmd.Context(), 30*time.Second)
	defer cancel()
	return api.AskAll(ctx, src, func(id string) api.Source { return src.Peer(id) }, ask)
}

// actEverywhere carries out an act on every node, and prints each one's answer. It fails if one has
// refused or has not answered.
func actEverywhere(cmd *cobra.Command, src *control.Client, a *api.Act, r api.Request, wait, asJSON bool) error {
	switch {
	case wait && !r.DryRun:
		return usage("--wait is for one node; give --peer NODE, or see all nodes with tcpctl status --peer all")
	case a.On == api.OnSession && len(r.Targets) > 0:
		return usage("session %s exists on one node only; %s by --service, --backend or --client, or give --peer NODE", r.Targets[0], a.Name)
	}
	ctx, cancel := context.WithTimeout(cmd.Context(), 30*time.Second)
	defer cancel()
	if a.Plan && !r.Here {
		if err := onePlanEach(ctx, src, r.Targets[0]); err != nil {
			return err
		}
	}
	answers, err := api.DoOnEach(ctx, src, func(id string) api.Source { return src.Peer(id) }, func(string) *api.Request { return &r })
	if err != nil {
		return err
	}
	if asJSON {
		err = printJSON(cmd.OutOrStdout(), answers)
	} else {
		printAnswers(cmd.OutOrStdout(), answers)
	}
	if err != nil {
		return err
	}
	warnDeparted(ctx, cmd, src)
	return notAll(answers, "the act is safe to repeat")
}

// onePlanEach refuses a plan on each node if the service's scope is cluster: the first plan, which is on all nodes,
// would stop the others halfway.
func onePlanEach(ctx context.Context, src api.Source, target string) error {
	st, err := src.Status(ctx)
	if err != nil {
		return err
	}
	service, _ := api.SplitTarget(target)
	if s := st.Service(service); s != nil && s.Scope == proxy.ScopeCluster {
		return usage("what is done to %s holds on all nodes already: its scope is cluster; leave out --peer, or add --here for each node alone", service)
	}
	return nil
}

// warnDeparted names the nodes that have recently departed from the mesh, and so were not asked.
func warnDeparted(ctx context.Context, cmd *cobra.Command, src api.Source) {
	st, err := src.Status(ctx)
	if err != nil || st.Mesh == nil {
		return
	}
	for i := range st.Mesh.Peers {
		if p := &st.Mesh.Peers[i]; p.Trusted && p.Cause == meshinfo.Departed {
			fmt.Fprintf(cmd.ErrOrStderr(), "tcpctl: %s was not asked: it departed from the mesh %s ago; act on it when it is back\n", p.Called(), text.Took(st.Node.Now.Sub(p.Since).Seconds()))
		}
	}
}

func printAnswers(w io.Writer, answers []api.PeerAnswer) {
	t := table{{"NODE", "ADDRESS", "ANSWER"}}
	for _, a := range answers {
		if a.Error != nil {
			t = append(t, []string{a.Node, a.Addr, string(a.Outcome) + ": " + a.Error.Error()})
			continue
		}
		texts := a.Result.Texts
		for _, i := range a.Result.Impact {
			texts = append(texts, i.Lines...)
		}
		for i, text := range texts {
			row := []string{a.Node, a.Addr, string(a.Outcome) + ": " + text}
			if i > 0 {
				row = []string{"", "", "      " + text}
			}
			t = append(t, row)
		}
	}
	t.print(w)
}

// notAll returns an error unless all answers are done.
func notAll[T any](answers []api.Answer[T], hint string) error {
	by := map[api.Outcome][]string{}
	for _, a := range answers {
		by[a.Outcome] = append(by[a.Outcome], a.Node)
	}
	done := len(by[api.OutcomeDone])
	if done == len(answers) {
		return nil
	}
	text := fmt.Sprintf("%d of %d nodes: done", done, len(answers))
	for _, o := range []api.Outcome{api.OutcomeRefused, api.OutcomeUnknown} {
		if len(by[o]) > 0 {
			text += fmt.Sprintf("; %s: %s", o, strings.Join(by[o], ", "))
		}
	}
	return reported{errors.New(text + "; " + hint)}
}

// readHere asks one instance, and prints its answer with show, or as JSON.
func readHere[T any](cmd *cobra.Command, asJSON bool, ask func(context.Context, api.Source) (T, error), show func(T)) error {
	src := source(cmd)
	defer src.Close()
	answer, err := ask(cmd.Context(), src)
	switch {
	case err != nil:
		return err
	case asJSON:
		return printJSON(cmd.OutOrStdout(), answer)
	}
	show(answer)
	return nil
}

// readEverywhere asks every node for a list, and prints the answers as one table with a column for
// the node, or as one JSON list whose elements name it. A node without an answer is an element,
// too, and makes the command fail.
func readEverywhere[T any](cmd *cobra.Command, asJSON bool, ask func(context.Context, api.Source) (T, error), head []string,
	rows func(T) [][]string, elements func(node string, value T) []any) error {
	src := source(cmd)
	defer src.Close()
	answers, err := askEverywhere(cmd, src, ask)
	if err != nil {
		return err
	}
	list, t := []any{}, table{append([]string{"NODE"}, head...)}
	said := []string(nil)
	answers, without := whoHave(answers)
	if len(answers) == 0 {
		return without[0].Error
	}
	for _, a := range without {
		said = append(said, fmt.Sprintf("%s: %s", a.Node, a.Error.Text))
	}
	for _, a := range answers {
		if a.Error != nil {
			said = append(said, fmt.Sprintf("%s: %s", a.Node, a.Error.Error()))
			list = append(list, a)
			continue
		}
		if asJSON {
			list = append(list, elements(a.Node, a.Result)...)
			continue
		}
		for _, row := range rows(a.Result) {
			t = append(t, append([]string{a.Node}, row...))
		}
	}
	if asJSON {
		err = printJSON(cmd.OutOrStdout(), list)
	} else {
		t.print(cmd.OutOrStdout())
		for _, text := range said {
			fmt.Fprintln(cmd.ErrOrStderr(), "tcpctl: "+text)
		}
	}
	if err != nil {
		return err
	}
	return notAll(answers, "the answers of the other nodes are shown")
}

// whoHave separates the nodes that do not have what was asked for: a service need not be on each.
func whoHave[T any](answers []api.Answer[T]) (have, without []api.Answer[T]) {
	for _, a := range answers {
		if a.Error != nil && a.Error.Status == http.StatusNotFound {
			without = append(without, a)
		} else {
			have = append(have, a)
		}
	}
	return have, without
}

// elements makes a JSON element from each entry of a node's list.
func elements[T any](one func(node string, entry T) any) func(string, []T) []any {
	return func(node string, list []T) (all []any) {
		for _, entry := range list {
			all = append(all, one(node, entry))
		}
		return all
	}
}
