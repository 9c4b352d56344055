package mesh

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sort"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/tcpctl/tcpctl/mesh/internal/mdns"
	"github.com/tcpctl/tcpctl/mesh/meshinfo"
)

// Diagnosis is the result of Doctor.
type Diagnosis struct {
	Mesh       string               `json:"mesh"`
	Problem    string               `json:"problem,omitempty"` // why no interface could be queried
	Interfaces []InterfaceDiagnosis `json:"interfaces"`
	Nodes      []NodeDiagnosis      `json:"nodes"`
	Advice     []string             `json:"advice,omitempty"` // what to try, one sentence each
}

// InterfaceDiagnosis is the result of a multicast query on one interface.
type InterfaceDiagnosis struct {
	Name     string       `json:"name"`
	Addrs    []netip.Addr `json:"addresses,omitempty"` // addresses of the interface
	Sent     bool         `json:"sent"`                // whether the system accepted the packet
	Received bool         `json:"received"`            // whether a copy was delivered on this machine
	Answers  int          `json:"answers"`             // nodes that answered, including those on this machine
	Problem  string       `json:"problem,omitempty"`
}

// NodeDiagnosis is one node that answered, or one address of Config.Join.
type NodeDiagnosis struct {
	ID          string  `json:"id,omitempty"`
	Name        string  `json:"name,omitempty"`
	Mesh        string  `json:"mesh,omitempty"`
	Addr        string  `json:"addr"`
	FoundBy     string  `json:"found_by"` // name of an interface, or "join"
	Version     string  `json:"version,omitempty"`
	Reached     bool    `json:"reached"` // whether it accepts TCP connections
	Secret      bool    `json:"secret"`  // whether it has a secret in common with this node
	RTTSeconds  float64 `json:"rtt_seconds,omitempty"`
	SkewSeconds float64 `json:"skew_seconds,omitempty"` // how far its clock is ahead of this machine's
	Problem     string  `json:"problem,omitempty"`

	bySecret bool             // Problem is about the secret
	addrs    []netip.AddrPort // that it has announced; Addr is the first of them, and then the one that was reached
}

const (
	notListening = "nothing listens at this address" // the Problem of a node
	notFound     = "its name is not found: "         // the beginning of the Problem of a join address
)

const (
	skewMatters  = 5 * time.Second
	maxDiagnosed = 64 // nodes that multicast has found
)

// Doctor diagnoses why nodes do not find each other: it sends a query on every interface, dials all nodes that answer
// and every address in cfg.Join, and reports the results. It takes about two seconds. It does not join the mesh: the
// nodes that it dials see no new peer. cfg is that of the node in trouble, which may be running meanwhile; only Name,
// Node, Secrets, Join and NoMDNS matter. The error is for an invalid cfg, or ctx's; the Diagnosis is then meaningless.
func Doctor(ctx context.Context, cfg Config) (Diagnosis, error) {
	// A new identity: with cfg's, this would be a second node with the id of the running one.
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
	if err := ctx.Err(); err != nil {
		return Diagnosis{}, fmt.Errorf("mesh: doctor: %w", err)
	}
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
			Name: i.Name, Addrs: i.Addrs, Sent: i.Sent, Received: i.Received, Answers: len(i.Nodes), Problem: i.Problem,
		})
		for _, n := range i.Nodes[:min(len(i.Nodes), maxDiagnosed-len(d.Nodes))] {
			d.Nodes = append(d.Nodes, NodeDiagnosis{ID: n.ID, Name: n.Name, Mesh: n.Mesh, Addr: n.Addrs[0].String(), FoundBy: i.Name, addrs: n.Addrs})
		}
	}
}

func (d *Diagnosis) addJoins(ctx context.Context, joins []string) {
	for _, join := range joins {
		addrs, err := resolve(ctx, join)
		if err != nil {
			d.Nodes = append(d.Nodes, NodeDiagnosis{Addr: join, FoundBy: sourceJoin, Problem: notFound + err.Error()})
		}
		for _, a := range addrs {
			d.Nodes = append(d.Nodes, NodeDiagnosis{Addr: a.String(), FoundBy: sourceJoin, addrs: []netip.AddrPort{a}})
		}
	}
}

// callAll dials all nodes at the same time, each once for every way in which it was found.
func (d *Diagnosis) callAll(ctx context.Context, n *Node) {
	var wg sync.WaitGroup
	for i := range d.Nodes {
		if d.Nodes[i].Problem == "" {
			wg.Go(func() { d.Nodes[i].call(ctx, n) })
		}
	}
	wg.Wait()
	sort.SliceStable(d.Nodes, func(i, j int) bool {
		a, b := &d.Nodes[i], &d.Nodes[j]
		return cmp.Or(strings.Compare(a.Name, b.Name), strings.Compare(a.ID, b.ID)) < 0
	})
}

func (nd *NodeDiagnosis) call(ctx context.Context, n *Node) {
	started := time.Now()
	d, err := n.dialFirst(ctx, nd.addrs, false)
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		nd.Problem = notListening
		return
	case err != nil:
		nd.Problem = "it does not accept TCP connections, for want of a route or because of a firewall: " + err.Error()
		return
	}
	defer d.conn.Close()
	nd.Addr, nd.Reached, nd.RTTSeconds = d.addr.String(), true, time.Since(started).Seconds()
	h, err := n.startHandshake(ctx, d.conn, d.addr, true, n.hello(kindProbe))
	if h.theirs.ID != "" {
		nd.ID, nd.Name, nd.Mesh, nd.Version = h.theirs.ID, h.theirs.Name, h.theirs.Mesh, h.theirs.Version
		nd.SkewSeconds = time.Until(h.theirs.Time).Seconds()
		err = h.exchangeVerdicts(err, func() error { return nil })
	}
	nd.Secret = h.trusted
	if refused, ok := errors.AsType[*RefusedError](err); ok {
		nd.Problem, nd.bySecret = cmp.Or(refused.Detail, string(refused.Reason)), refused.Reason == meshinfo.ReasonSecret
	} else if err != nil {
		nd.Problem = err.Error()
	}
}

// advise turns the findings into what to try.
func (d *Diagnosis) advise(cfg Config) {
	sent, received := d.adviseInterfaces()
	d.adviseNodes(cfg.Name)
	for _, hub := range cfg.Hubs {
		if hub != cfg.Node && !slices.ContainsFunc(d.Nodes, func(n NodeDiagnosis) bool { return n.Name == hub }) {
			d.say("hub %s has not answered: it is down, is found in another way, or has another name.", hub)
		}
	}
	switch {
	case len(d.Nodes) == 0 && sent == 0 && !cfg.NoMDNS:
		d.say("no interface carries multicast here, as in most container networks: give the nodes addresses to join.")
	case len(d.Nodes) == 0 && received > 0:
		d.say("multicast works on this machine, and no node answers: none is running, or " + noMulticast)
	case received > 0 && d.onlyHere():
		d.say("only the node on this machine answers: no other is running, or " + noMulticast)
	}
}

const noMulticast = "the switch between them does not pass multicast (IGMP snooping, client isolation). Addresses to join work without multicast."

// onlyHere reports whether all that was found, by multicast, is one node on this machine.
func (d *Diagnosis) onlyHere() bool {
	for _, n := range d.Nodes {
		here := slices.ContainsFunc(d.Interfaces, func(i InterfaceDiagnosis) bool {
			return slices.ContainsFunc(n.addrs, func(a netip.AddrPort) bool { return slices.Contains(i.Addrs, a.Addr().WithZone("")) })
		})
		if !here || n.FoundBy == sourceJoin || n.ID != d.Nodes[0].ID {
			return false
		}
	}
	return len(d.Nodes) > 0
}

// say adds to the advice what it does not have yet.
func (d *Diagnosis) say(format string, args ...any) {
	if s := fmt.Sprintf(format, args...); !slices.Contains(d.Advice, s) {
		d.Advice = append(d.Advice, s)
	}
}

// adviseInterfaces returns how many interfaces multicast was sent on, and received.
func (d *Diagnosis) adviseInterfaces() (sent, received int) {
	for _, i := range d.Interfaces {
		if loopback := slices.ContainsFunc(i.Addrs, netip.Addr.IsLoopback); loopback {
			continue
		}
		if i.Sent {
			sent++
		}
		if i.Received {
			received++
		}
		if i.Sent && !i.Received {
			d.say("%s: multicast is sent and not received: a firewall on this machine may drop UDP port 5353 to 224.0.0.251 and ff02::fb.", i.Name)
		}
	}
	return sent, received
}

// adviseNodes says what is wrong with each node.
func (d *Diagnosis) adviseNodes(mesh string) {
	allDown := !slices.ContainsFunc(d.Nodes, func(n NodeDiagnosis) bool { return n.Problem != notListening })
	for _, n := range d.Nodes {
		switch {
		case n.Mesh != "" && n.Mesh != mesh:
			d.say("%s is of another mesh, %q: the names must be the same.", n.Name, n.Mesh)
			continue
		case n.Problem == "":
		case n.Problem == notListening && allDown:
			d.say("nothing listens where nodes should: they are not running, or listen on another port; a node that others join needs a port of its own in its configuration.")
		case n.Problem == notListening:
			d.say("nothing listens at %s: the node there is not running, or listens on another port.", n.Addr)
		case strings.HasPrefix(n.Problem, notFound):
			d.say("the name in the join address %s is not found: correct it, or write an address.", n.Addr)
		case !n.Reached:
			d.say("%s cannot be reached: is that its address, and does a firewall let the mesh's TCP port through?", n.Addr)
		case n.Name == "":
			d.say("%s takes connections and does not answer as a node does: another program has that port, or the node hangs.", n.Addr)
		case n.bySecret:
			d.say("%s refuses: %s; all nodes need a secret in common (secret_file, --secret-file).", n.Name, n.Problem)
		default:
			d.say("%s refuses: %s.", n.Name, n.Problem)
		}
		if skew := time.Duration(n.SkewSeconds * float64(time.Second)).Abs(); skew > skewMatters {
			d.say("the clocks of %s and of this machine are %v apart: times of events cannot be compared.", n.Name, skew.Round(time.Second))
		}
	}
}
