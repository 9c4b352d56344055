package api

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/proxy/text"
)

// NodeImpact is what an act on all nodes would do on one node.
type NodeImpact struct {
	Node    string `json:"node"`
	Live    int    `json:"live"`              // live sessions, of the backend if the act is on one
	Waiting int    `json:"waiting"`           // waiting clients of the service
	Unknown string `json:"unknown,omitempty"` // why the node could not be asked; the numbers are then unknown
}

// askWithin is how long nodes may take to answer.
const askWithin = 5 * time.Second

// addNodes adds to the impacts of a request for all nodes what it would mean there: how
// many sessions are live and wait on each node, who would own a plan, and what would refuse
// it.
func (l *Local) addNodes(ctx context.Context, s *Status, act string, r *Request, all []Impact) {
	plan := act == "window" || act == "restart" || act == "roll"
	for n := range all {
		i := &all[n]
		if r.Here || l.Across == nil || !s.OfAll(i.Target) || !plan && !Lookup(act).Across(s, i.Target) {
			continue
		}
		one := *r
		one.Act, one.Force = act, r.Force || !plan // only plans are refused for lost nodes
		warnings, err := l.Across.MayPlan(i.Target, &one)
		if errors.Is(err, proxy.ErrNoQuorum) {
			err = errors.New("no majority of the cluster's voters is reached: nothing would be done")
		}
		if err != nil {
			warnings = append(warnings, err.Error())
		}
		for _, w := range warnings {
			if i.Warning != "" {
				i.Warning += "; "
			}
			i.Warning, i.Level = i.Warning+w, LevelTyped
		}
		i.Nodes = l.impactOfNodes(ctx, i.Target)
		lines := []string{"on " + text.Plural(len(i.Nodes), "node")}
		if plan {
			lines[0] = fmt.Sprintf("one transaction of %s, which %s owns", text.Plural(len(i.Nodes), "node"), s.Node.Name)
		}
		for _, n := range i.Nodes {
			lines = append(lines, n.text())
		}
		i.Lines = append(append(lines, "here, on "+s.Node.Name+":"), i.Lines...)
	}
}

func (n *NodeImpact) text() string {
	if n.Unknown != "" {
		return n.Node + ": unknown: " + n.Unknown
	}
	return fmt.Sprintf("%s: %d live, %d waiting", n.Node, n.Live, n.Waiting)
}

// impactOfNodes returns the state of a target on all nodes that have its service.
func (l *Local) impactOfNodes(ctx context.Context, target string) (all []NodeImpact) {
	service, backend := SplitTarget(target)
	for _, v := range l.views(ctx, service) {
		one := NodeImpact{Node: v.Node, Unknown: v.Unknown}
		if v.Service != nil {
			one.Live, one.Waiting = v.Service.Sessions.Active, v.Service.Queue.Waiting
		}
		if v.Service != nil && backend != "" {
			one.Live = 0
			if i := slices.IndexFunc(v.Service.Backends, func(b proxy.BackendInfo) bool { return b.Name == backend }); i >= 0 {
				one.Live = v.Service.Backends[i].Active
			}
		}
		all = append(all, one)
	}
	return all
}

// views asks all nodes with a service for its state there. LeftOut nodes are lost.
func (l *Local) views(ctx context.Context, service string) (all []proxy.ClusterView) {
	ctx, cancel := context.WithTimeout(ctx, askWithin)
	defer cancel()
	peers := func(id string) Source { return l.Peer(id) }
	answers, err := AskAll(ctx, l, peers, func(ctx context.Context, src Source) (*Status, error) { return src.Status(ctx) })
	for _, n := range l.Across.Serving(service) {
		one := proxy.ClusterView{Node: n.Node, Unknown: n.Unknown, LeftOut: n.Unknown != ""}
		i := slices.IndexFunc(answers, func(a Answer[*Status]) bool { return a.Node == n.Node })
		switch {
		case one.LeftOut:
		case err != nil:
			one.Unknown = err.Error()
		case i < 0:
			one.Unknown = "it is not a member of the mesh"
		case answers[i].Error != nil:
			one.Unknown = answers[i].Error.Text
		default:
			if one.Service = answers[i].Result.Service(service); one.Service == nil {
				one.Unknown = "it no longer has the service"
			}
		}
		all = append(all, one)
	}
	return all
}
