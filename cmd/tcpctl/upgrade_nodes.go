package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sort"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/build"
	"github.com/tcpctl/tcpctl/proxy/api"
)

const upgradeLong = `Starts the binary that is now installed at the instance's path and passes all
sockets to it. No client is refused or cut.

With --nodes it upgrades the nodes of the mesh one after another: each must serve
with this command's version before the next one starts. It skips nodes that
already run this version, so that the same command can be repeated, and stops at
the first node that fails. The leader of a cluster comes last, and no node is
upgraded unless the other voters have a majority. Install the new binary on each
node first.`

// upgradeNodes runs the act upgrade on all nodes of the mesh.
func upgradeNodes(cmd *cobra.Command, r api.Request, asJSON bool) error {
	if f := cmd.Flags().Lookup("peer"); f != nil && f.Changed {
		return usage("--nodes is for all nodes of the mesh; leave out --peer")
	}
	src := source(cmd)
	defer src.Close()
	u := &nodesUpgrade{self: src, peer: func(id string) api.Source { return src.Peer(id) }, request: r, to: build.This().Text(), asJSON: asJSON, out: cmd.OutOrStdout()}
	return u.run(cmd.Context())
}

// nodesUpgrade upgrades one node after another.
type nodesUpgrade struct {
	self    api.Source
	peer    func(id string) api.Source
	request api.Request
	to      string // the version to upgrade to
	asJSON  bool
	out     io.Writer
	done    []nodeUpgrade
	moved   bool // this node has a new process, which first has to find the other nodes
}

// nodeUpgrade is what came of one node.
type nodeUpgrade struct {
	Node   string `json:"node"`
	From   string `json:"from"`
	To     string `json:"to,omitempty"`     // absent: it was not upgraded
	Result string `json:"result"`           // upgraded, current, would upgrade, failed or waiting
	Error  string `json:"error,omitempty"`  // why it failed
	Voters string `json:"voters,omitempty"` // of a cluster, that were reached when it began
}

const (
	nodeServes = 60 * time.Second // bounds the wait for the new process
	nodeLooks  = 5 * time.Second  // time limit of one request
)

func (u *nodesUpgrade) run(ctx context.Context) error {
	members, err := api.Members(ctx, u.self)
	if err != nil {
		return err
	}
	st, err := u.self.Status(ctx)
	if err != nil {
		return err
	}
	for i, m := range inOrder(members, st.Cluster) {
		n := nodeUpgrade{Node: m.Node}
		if err = u.upgrade(ctx, m, &n); err != nil {
			n.Result, n.Error = "failed", plainText(err)
		}
		u.done = append(u.done, n)
		if !u.asJSON {
			fmt.Fprintln(u.out, n.line())
		}
		if err == nil {
			continue
		}
		var rest []string
		for _, m := range inOrder(members, st.Cluster)[i+1:] {
			rest = append(rest, m.Node)
			u.done = append(u.done, nodeUpgrade{Node: m.Node, Result: "waiting"})
		}
		text := m.Node + ": " + plainText(err)
		if len(rest) > 0 {
			text += "; not tried: " + strings.Join(rest, ", ")
		}
		err = reported{errors.New(text + "; the same command goes on there once that is mended")}
		break
	}
	if u.asJSON {
		printJSON(u.out, u.done)
	}
	return err
}

// inOrder sorts the nodes: the cluster's leader last, and before it the node through which the
// others are asked.
func inOrder(members []api.Member, c *api.Cluster) []api.Member {
	rank := func(m api.Member) int {
		switch {
		case c != nil && c.Leader != "" && m.Node == c.Leader:
			return 2
		case m.Here():
			return 1
		}
		return 0
	}
	all := slices.Clone(members)
	sort.SliceStable(all, func(i, j int) bool {
		a, b := all[i], all[j]
		return cmp.Or(cmp.Compare(rank(a), rank(b)), strings.Compare(a.Node, b.Node)) < 0
	})
	return all
}

// upgrade upgrades a node, and waits until it serves.
func (u *nodesUpgrade) upgrade(ctx context.Context, m api.Member, n *nodeUpgrade) error {
	if why := m.Unreachable(); why != "" {
		return api.Unreachable(why, "bring it back, or remove it from the mesh")
	}
	src := u.self
	if !m.Here() {
		src = u.peer(m.ID)
	}
	before, err := u.first(ctx, src)
	if err != nil {
		return err
	}
	n.From = before.Node.Version
	switch {
	case n.From == u.to && u.to != "devel": // all development builds have this version
		n.Result = "current"
		return nil
	case u.request.DryRun:
		n.Result, n.To = "would upgrade", u.to
		return nil
	}
	if n.Voters, err = u.awaitVoters(ctx, m.Node, src); err != nil {
		return err
	}
	asking, cancel := context.WithTimeout(ctx, actWithin)
	_, err = src.Do(asking, u.request)
	cancel()
	if refused, ok := errors.AsType[*api.Error](err); ok && refused.Status != api.StatusUnreachable && refused.Status != api.StatusNoAnswer {
		return err
	}
	// Any other error may mean that the connection ended with the old process.
	n.Result, n.To = "upgraded", u.to
	u.moved = u.moved || m.Here()
	return u.awaitNew(ctx, src, before)
}

// first returns the status of a node before its upgrade. If the node through which it is asked was
// itself upgraded, the new process may not have reached it yet.
func (u *nodesUpgrade) first(ctx context.Context, src api.Source) (*api.Status, error) {
	for began := time.Now(); ; {
		st, err := look(ctx, src)
		if err == nil || !u.moved || time.Since(began) > nodeServes {
			return st, err
		}
		if !sleep(ctx, 200*time.Millisecond) {
			return nil, ctx.Err()
		}
	}
}

func look(ctx context.Context, src api.Source) (*api.Status, error) {
	ctx, cancel := context.WithTimeout(ctx, nodeLooks)
	defer cancel()
	return src.Status(ctx)
}

// awaitVoters waits until the reached voters of the cluster are a majority without the node, and
// returns how many there are.
func (u *nodesUpgrade) awaitVoters(ctx context.Context, node string, src api.Source) (text string, err error) {
	for began := time.Now(); ; {
		st, err := u.first(ctx, src)
		switch {
		case err != nil:
			return "", err
		case st.Cluster == nil || st.Cluster.ID == "":
			return "", nil
		}
		text, ok := othersAreMajority(st.Cluster, node)
		switch {
		case ok:
			return text, nil
		case time.Since(began) > nodeServes:
			return text, api.Refused("without it there is no majority of the cluster's voters: it reaches "+text, "see tcpctl cluster status on each")
		}
		if !sleep(ctx, 200*time.Millisecond) {
			return text, ctx.Err()
		}
	}
}

// othersAreMajority reports whether the voters that a node reaches are a majority without it. It is
// true for a node that does not vote.
func othersAreMajority(c *api.Cluster, node string) (text string, ok bool) {
	voters, others, votes := 0, 0, false
	for _, v := range c.Voters {
		switch {
		case v.Missing || v.Learner:
			continue
		case v.Name == node:
			votes = true
		case v.Reached:
			others++
		}
		voters++
	}
	return fmt.Sprintf("%d other voters of %d", others, voters), !votes || voters == 1 || others > voters/2
}

// awaitNew waits until a node answers with a new process of the right version, whose services have
// as many eligible backends as before.
func (u *nodesUpgrade) awaitNew(ctx context.Context, src api.Source, before *api.Status) error {
	var last error
	for began := time.Now(); time.Since(began) < nodeServes; {
		st, err := look(ctx, src)
		switch {
		case err != nil:
			last = err
		case st.Node.PID == before.Node.PID:
			last = api.NoAnswer("its old process still answers")
		case st.Node.Version != u.to:
			return api.Refused(fmt.Sprintf("it runs %s now, and this command is %s", st.Node.Version, u.to), "install "+u.to+" there")
		default:
			if last = worse(before, st); last == nil {
				return nil
			}
		}
		if !sleep(ctx, 200*time.Millisecond) {
			return ctx.Err()
		}
	}
	return last
}

// worse returns an error if a service has fewer eligible backends than before.
func worse(before, now *api.Status) error {
	for i := range before.Services {
		was := &before.Services[i]
		is := now.Service(was.Name)
		switch {
		case was.Removing: // the new process does not have it
			continue
		case is == nil:
			return api.NoAnswer(was.Name + " is not there")
		}
		eligible := 0
		for n := range was.Backends {
			if was.Backends[n].Eligible {
				eligible++
			}
		}
		for n := range is.Backends {
			if is.Backends[n].Eligible {
				eligible--
			}
		}
		if eligible > 0 {
			return api.NoAnswer(fmt.Sprintf("%s has %d eligible backends less than before", was.Name, eligible))
		}
	}
	return nil
}

// line returns the printed line of a node.
func (n *nodeUpgrade) line() string {
	switch n.Result {
	case "current":
		return fmt.Sprintf("%s: runs %s already", n.Node, n.From)
	case "failed":
		return fmt.Sprintf("%s: %s", n.Node, n.Error)
	}
	text := fmt.Sprintf("%s: %s, %s -> %s", n.Node, n.Result, n.From, n.To)
	if n.Voters != "" {
		text += ", with " + n.Voters
	}
	return text
}
