package mesh

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/tcpctl/tcpctl/mesh/internal/mdns"
)

// Diagnosis says why nodes find each other, or do not.
type Diagnosis struct {
	Mesh       string               `json:"mesh"`
	Problem    string               `json:"problem,omitempty"` // of mDNS as a whole
	Interfaces []InterfaceDiagnosis `json:"interfaces"`
	Nodes      []NodeDiagnosis      `json:"nodes"`
	Advice     []string             `json:"advice,omitempty"` // what to try, one sentence each
}

// InterfaceDiagnosis is what became of a multicast question on one interface.
type InterfaceDiagnosis struct {
	Name    string       `json:"name"`
	Addrs   []netip.Addr `json:"addresses,omitempty"`
	Leaves  bool         `json:"leaves"`  // the system took the packet
	Returns bool         `json:"returns"` // and gave a copy to those who listen on this machine
	Answers int          `json:"answers"` // nodes that answered on it, those on this machine included
	Problem string       `json:"problem,omitempty"`
}

// NodeDiagnosis is one node that answered, or that was to be joined.
type NodeDiagnosis struct {
	ID          string  `json:"id,omitempty"`
	Name        string  `json:"name,omitempty"`
	Mesh        string  `json:"mesh,omitempty"`
	Addr        string  `json:"addr"`
	FoundBy     string  `json:"found_by"` // an interface's name, or "join"
	Version     string  `json:"version,omitempty"`
	Reached     bool    `json:"reached"` // it answered on TCP
	Secret      bool    `json:"secret"`  // it and we would trust each other
	RTTSeconds  float64 `json:"rtt_seconds,omitempty"`
	SkewSeconds float64 `json:"skew_seconds,omitempty"` // its clock is ahead of ours
	Problem     string  `json:"problem,omitempty"`
}

const (
	skewMatters  = 5 * time.Second
	maxDiagnosed = 64 // nodes that multicast has found
)

// Doctor asks on every interface who is there, calls everybody who answers and every address in cfg.Join, and says what it
// met. It takes about two seconds. It joins nothing: the nodes it calls see no peer. cfg is that of the node in trouble, which
// may be running meanwhile; only Name, Secrets, Join and NoMDNS matter. An error is one of cfg.
func Doctor(ctx context.Context, cfg Config) (Diagnosis, error) {
	// An identity of its own: beside the running node this would be a second one with its id.
	n, err := New(Config{Name: cfg.Name, Node: cfg.Node, Secrets: cfg.Secrets, Join: cfg.Join, HandshakeTimeout: 2 * time.Second})
	if err != nil {
		return Diagnosis{}, err
	}
	defer n.Close()
	d := Diagnosis{Mesh: n.cfg.Name, Interfaces: []InterfaceDiagnosis{}, Nodes: []NodeDiagnosis{}}
	if !cfg.NoMDNS {
		d.queryInterfaces(ctx)
	}
	d.addJoins(ctx, n.cfg.Join)
	d.callAll(ctx, n)
	d.advise(cfg)
	return d, nil
}

// queryInterfaces sends one multicast query on each interface.
func (d *Diagnosis) queryInterfaces(ctx context.Context) {
	all, err := mdns.Diagnose(ctx)
	if err != nil {
		d.Problem = err.Error() + ": another program has port 5353 for itself"
		return
	}
	for _, i := range all {
		d.Interfaces = append(d.Interfaces, InterfaceDiagnosis{
			Name: i.Name, Addrs: i.Addrs, Leaves: i.Sent, Returns: i.Looped, Answers: len(i.Nodes), Problem: i.Problem,
		})
		for _, n := range i.Nodes[:min(len(i.Nodes), maxDiagnosed-len(d.Nodes))] {
			d.Nodes = append(d.Nodes, NodeDiagnosis{ID: n.ID, Name: n.Name, Mesh: n.Mesh, Addr: n.Addrs[0].String(), FoundBy: i.Name})
		}
	}
}

func (d *Diagnosis) addJoins(ctx context.Context, joins []string) {
	for _, join := range joins {
		addrs, err := resolve(ctx, join)
		if err != nil {
			d.Nodes = append(d.Nodes, NodeDiagnosis{Addr: join, FoundBy: sourceJoin, Problem: err.Error()})
		}
		for _, a := range addrs {
			d.Nodes = append(d.Nodes, NodeDiagnosis{Addr: a.String(), FoundBy: sourceJoin})
		}
	}
}

// callAll calls all nodes at the same time, each once for every way in which it was found.
func (d *Diagnosis) callAll(ctx context.Context, n *Node) {
	var wg sync.WaitGroup
	for i := range d.Nodes {
		if d.Nodes[i].Problem == "" {
			wg.Go(func() { d.Nodes[i].call(ctx, n) })
		}
	}
	wg.Wait()
	slices.SortStableFunc(d.Nodes, func(a, b NodeDiagnosis) int {
		return cmp.Or(strings.Compare(a.Name, b.Name), strings.Compare(a.ID, b.ID))
	})
}

func (nd *NodeDiagnosis) call(ctx context.Context, n *Node) {
	to, err := netip.ParseAddrPort(nd.Addr)
	if err != nil {
		nd.Problem = err.Error()
		return
	}
	began := time.Now()
	dialled, err := n.dialFirst(ctx, []netip.AddrPort{to}, false)
	if err != nil {
		nd.Problem = "it does not answer on TCP, for want of a route or by a firewall: " + err.Error()
		return
	}
	conn := dialled.conn
	defer conn.Close()
	nd.Reached, nd.RTTSeconds = true, time.Since(began).Seconds()
	g, err := n.begin(ctx, conn, dialled.addr, true, n.hello(kindProbe))
	if g.theirs.ID != "" {
		nd.ID, nd.Name, nd.Mesh, nd.Version = g.theirs.ID, g.theirs.Name, g.theirs.Mesh, g.theirs.Version
		nd.SkewSeconds = time.Until(g.theirs.Time).Seconds()
		err = g.decide(err, func() error { return nil })
	}
	nd.Secret = g.trusted
	if refused, ok := errors.AsType[*RefusedError](err); ok {
		nd.Problem = cmp.Or(refused.Detail, string(refused.Reason))
	} else if err != nil {
		nd.Problem = err.Error()
	}
}

// advise turns what was met into what to try.
func (d *Diagnosis) advise(cfg Config) {
	say := func(format string, args ...any) {
		if s := fmt.Sprintf(format, args...); !slices.Contains(d.Advice, s) {
			d.Advice = append(d.Advice, s)
		}
	}
	usable, returned := 0, 0
	for _, i := range d.Interfaces {
		if loopback := slices.ContainsFunc(i.Addrs, netip.Addr.IsLoopback); loopback {
			continue
		}
		if i.Leaves {
			usable++
		}
		if i.Returns {
			returned++
		}
		if i.Leaves && !i.Returns {
			say("%s: multicast leaves and does not return: a firewall on this machine may drop UDP port 5353 to 224.0.0.251 and ff02::fb.", i.Name)
		}
	}
	ours, reached := 0, 0
	for _, n := range d.Nodes {
		switch {
		case n.Mesh != "" && n.Mesh != cfg.Name:
			say("%s is of another mesh, %q: the names must be the same.", n.Name, n.Mesh)
			continue
		case n.Reached && n.Problem != "" && n.Name != "":
			say("%s refuses: %s.", n.Name, n.Problem)
		}
		ours++
		if n.Reached {
			reached++
		}
		if skew := time.Duration(n.SkewSeconds * float64(time.Second)).Abs(); skew > skewMatters {
			say("the clocks of %s and of this machine are %v apart: times in events will not fit.", n.Name, skew.Round(time.Second))
		}
	}
	switch {
	case ours > 0 && reached == 0:
		say("nodes are announced and cannot be called: let the mesh's TCP port through the firewall.")
	case ours == 0 && usable == 0 && !cfg.NoMDNS:
		say("no interface carries multicast here, as in most container networks: give the nodes addresses to join.")
	case ours == 0 && returned > 0:
		say("multicast works on this machine, and nobody answers: no other node is running, or the switch between them does not pass multicast (IGMP snooping, client isolation). Addresses to join do without.")
	}
}
