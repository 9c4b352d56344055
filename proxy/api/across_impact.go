package api

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/proxy/text"
)

// NodeImpact is one node's part in an act on all nodes, before it is done.
type NodeImpact struct {
	Node    string `json:"node"`
	Live    int    `json:"live"`              // sessions; of an act on a backend: there
	Waiting int    `json:"waiting"`           // clients of the service
	Unknown string `json:"unknown,omitempty"` // why it could not be asked: the numbers say nothing
}

// askWithin is how long nodes may take to say what they have.
const askWithin = 5 * time.Second

// addNodes adds to the impacts of a request what it would mean on all nodes, where it is for
// all: how many are live and wait on each, who would own a plan, and what would refuse it.
func (l *Local) addNodes(ctx context.Context, s *Status, act string, r *Request, all []Impact) {
	plan := act == "window" || act == "restart" || act == "roll"
	for n := range all {
		i := &all[n]
		if r.Here || l.Across == nil || !s.OfAll(i.Target) || !plan && !Lookup(act).Across(s, i.Target) {
			continue
		}
		one := *r
		one.Force = r.Force || !plan // others are not refused for nodes that are lost
		err := l.Across.MayPlan(i.Target, &one)
		if errors.Is(err, proxy.ErrNoQuorum) {
			err = errors.New("no majority of the cluster's voters is reached: nothing would be done")
		}
		if err != nil {
			if i.Warning != "" {
				i.Warning += "; "
			}
			i.Warning, i.Level = i.Warning+err.Error(), LevelTyped
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

// impactOfNodes asks all nodes that have the service of a target what is there.
func (l *Local) impactOfNodes(ctx context.Context, target string) (all []NodeImpact) {
	service, backend := SplitTarget(target)
	ctx, cancel := context.WithTimeout(ctx, askWithin)
	defer cancel()
	peers := func(id string) Source { return l.Peer(id) }
	answers, err := AskAll(ctx, l, peers, func(ctx context.Context, src Source) (*Status, error) { return src.Status(ctx) })
	for _, n := range l.Across.Serving(service) {
		one := NodeImpact{Node: n.Node, Unknown: n.Unknown}
		if one.Unknown == "" {
			one.Unknown = "it is no member of the mesh"
		}
		if err != nil {
			one.Unknown = err.Error()
		}
		for i := range answers {
			if a := &answers[i]; a.Node == n.Node && n.Unknown == "" {
				one.take(a, service, backend)
			}
		}
		all = append(all, one)
	}
	return all
}

func (n *NodeImpact) take(a *Answer[*Status], service, backend string) {
	n.Unknown = ""
	if a.Error != nil {
		n.Unknown = a.Error.Text
		return
	}
	svc := a.Result.Service(service)
	if svc == nil {
		n.Unknown = "it has the service no more"
		return
	}
	n.Live, n.Waiting = svc.Sessions.Active, svc.Queue.Waiting
	if backend == "" {
		return
	}
	n.Live = 0
	if b := a.Result.Backend(service + "/" + backend); b != nil {
		n.Live = b.Active
	}
}
