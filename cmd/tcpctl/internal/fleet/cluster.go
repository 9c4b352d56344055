package fleet

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/config"
	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/fileerror"
	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/member"
	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/quorum"
	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/statedir"
	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/upgrade"
	"github.com/tcpctl/tcpctl/mesh/meshinfo"
	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/proxy/api"
	"github.com/tcpctl/tcpctl/proxy/text"
)

// Cluster is the table [cluster], with its folder.
type Cluster struct {
	Voters          []string
	Dir             string
	Lease, Election time.Duration
	// Joined gets how this process's member reaches the voters, and owns it: once this
	// node's part has begun, or at TakeOver. Nil: there is no member.
	Joined func(*quorum.Carrier)
	// Member is this process's; nil: it has no locks of the cluster.
	Member *member.Member
}

// ClusterFromFile makes a Cluster of the table; nil of none.
func ClusterFromFile(c *config.Cluster) (*Cluster, error) {
	if c == nil {
		return nil, nil
	}
	dir, err := c.Dir, error(nil)
	if dir == "" {
		dir, err = statedir.Make("cluster")
	} else if dir, err = filepath.Abs(dir); err == nil {
		if err = os.MkdirAll(dir, 0o700); err != nil {
			err = fileerror.Unwritable(dir, err)
		}
	}
	return &Cluster{Voters: c.Voters, Dir: dir, Lease: c.Lease, Election: c.Election}, err
}

// joinCluster starts this node's part. The mesh already listens.
func (f *Fleet) joinCluster(c *Cluster) error {
	if c == nil {
		return nil
	}
	part, err := quorum.Start(quorum.Config{
		Mesh: f.node, Voters: c.Voters, Dir: c.Dir, Lease: c.Lease, Election: c.Election, Now: member.Boottime, Log: f.log,
		Note: func(alarm bool, text string) {
			ev := proxy.Event{Kind: proxy.EventPeer, Text: text}
			if alarm {
				ev.Level = proxy.LevelAlarm
			}
			f.source.Engine.Operator().Note(ev)
		},
	})
	if err != nil {
		return err
	}
	if err := f.carry(c, part); err != nil {
		part.Close()
		return err
	}
	f.cluster.Store(part)
	return nil
}

// carry connects this process's member with the voters through the node's part, which is in this process.
func (f *Fleet) carry(c *Cluster, part *quorum.Part) (err error) {
	if c.Joined == nil {
		return nil
	}
	if f.carrier == nil {
		if f.carrier, err = part.Carrier(); err != nil {
			return err
		}
		c.Joined(f.carrier)
	}
	f.carrier.SetPart(part)
	return nil
}

// OfferCluster is for the process that takes this one's place; nil: this one has no
// cluster, or no locks of it.
func (f *Fleet) OfferCluster() (*upgrade.Cluster, error) {
	if f.joins == nil || f.joins.Joined == nil {
		return nil, nil
	}
	part := f.cluster.Load()
	if part == nil { // and so could not carry the predecessors' messages
		return nil, errors.New("this process, which has just taken over, has not joined the cluster yet")
	}
	next, err := part.NextIncarnation()
	return &upgrade.Cluster{Incarnation: next, Dir: f.joins.Dir, Lease: f.joins.Lease}, err
}

// TakeOver has this process take part in the cluster before it joins the mesh: the
// process before it speaks for it until then.
func (f *Fleet) TakeOver(o *upgrade.Cluster) error {
	if o == nil || f.joins == nil || f.joins.Joined == nil {
		return nil
	}
	self, err := quorum.NodeOf(f.node.ID())
	if err != nil {
		return err
	}
	if f.carrier, err = quorum.NewCarrier(f.joins.Dir, self, o.Incarnation, 0); err != nil {
		return err
	}
	f.joins.Joined(f.carrier)
	return nil
}

// Takes says why a process with this configuration cannot take the place of one that
// offers its cluster.
func (c *Cluster) Takes(o *upgrade.Cluster) error {
	switch {
	case o == nil:
		return nil
	case c == nil:
		return errors.New("the [cluster] table is gone, and its locks have clients: write it again, or stop this node and start it anew")
	case c.Dir != o.Dir:
		return fmt.Errorf("cluster: dir is %s, and %s in the running process: a voter whose log is gone must not vote; write it as it was", c.Dir, o.Dir)
	case c.Lease != o.Lease:
		return fmt.Errorf("cluster: lease is %v, and %v in the running process: it is fixed when a cluster is made", c.Lease, o.Lease)
	}
	return nil
}

// SetVoters follows a file that was read again.
func (f *Fleet) SetVoters(voters []string) {
	if part := f.cluster.Load(); part != nil {
		part.SetVoters(voters)
	}
	if !f.hubs && f.joins != nil {
		_ = f.node.SetHubs(voters) // cannot fail: the file was checked, and has a secret
	}
}

// takeStream is the node's OnStream: the first byte identifies a stream of the cluster.
func (f *Fleet) takeStream(p meshinfo.Peer, c net.Conn) {
	part := f.cluster.Load()
	if part == nil {
		f.streams.take(p, c)
		return
	}
	var first [1]byte
	if _, err := c.Read(first[:]); err != nil {
		c.Close()
		return
	}
	if first[0] == quorum.Magic {
		part.Serve(p, c)
		return
	}
	f.streams.take(p, &readAhead{Conn: c, ahead: bytes.NewReader(first[:])})
}

// readAhead is a stream from which one byte was already read.
type readAhead struct {
	net.Conn
	ahead *bytes.Reader
}

func (c *readAhead) Read(b []byte) (int, error) {
	if c.ahead.Len() > 0 {
		return c.ahead.Read(b)
	}
	return c.Conn.Read(b)
}

// clusterStatus returns the cluster's part of the status.
func (f *Fleet) clusterStatus() *api.Cluster {
	c := &api.Cluster{Role: api.ClusterClient, Voters: []api.Voter{}} // of a successor that has not joined yet
	if part := f.cluster.Load(); part != nil {
		c = part.Status()
		if m := f.joins.Member; m != nil {
			c.LeaseSeconds = m.Lease().Seconds()
			if leader := m.Leader(); c.Leader == "" && !c.Votes() && c.LeaseSeconds > 0 {
				c.Leader = part.Name(leader)
			}
		}
	}
	c.Name = f.name
	return c
}

// process returns this process's name in places.
func (f *Fleet) process() string {
	if m := f.joins.Member; m != nil {
		return m.ID().Hex()
	}
	return ""
}

// places returns the places of a service's clients, if this node votes.
func (f *Fleet) places(ctx context.Context, service string) (*api.Places, error) {
	if part := f.cluster.Load(); part != nil {
		return part.Places(ctx, service)
	}
	return nil, nil
}

// electionWait is how long an act waits while no leader is known. If there is none by then, nothing
// was done. Tests set it.
var electionWait = 5 * time.Second

// clusterDo is the act "cluster". It passes on to the leader what only that can do.
func (f *Fleet) clusterDo(ctx context.Context, r api.Request) (string, error) {
	part := f.cluster.Load()
	if part == nil {
		return "", api.Refused("this process has not joined the cluster yet", "try again")
	}
	did, err := f.clusterAct(ctx, part, &r)
	for began := time.Now(); errors.Is(err, quorum.ErrNoQuorum) && ctx.Err() == nil && time.Since(began) < electionWait; {
		select {
		case <-ctx.Done():
		case <-time.After(100 * time.Millisecond):
			did, err = f.clusterAct(ctx, part, &r)
		}
	}
	if leader, ok := errors.AsType[*quorum.LeaderError](err); ok {
		if leader.ID == "" {
			return "", api.NoQuorum(leader.Name+" leads, and is not reached from here: nothing was done", "tcpctl peers lists the nodes")
		}
		res, err := f.PeerFor(leader.ID, r.By).Do(ctx, r)
		if err != nil {
			return "", err
		}
		return res.Texts[0], nil
	}
	switch {
	case err == nil:
		return did, nil
	case errors.Is(err, quorum.ErrNoQuorum):
		return "", api.NoQuorum("cluster: "+err.Error(), "tcpctl cluster status shows the voters")
	case quorum.Usage(err):
		return "", api.Wrong(err.Error(), "tcpctl cluster status shows the voters")
	}
	return "", api.AsError(err)
}

func (f *Fleet) clusterAct(ctx context.Context, part *quorum.Part, r *api.Request) (string, error) {
	switch verb := r.Args[0]; verb {
	case "init":
		return part.Init()
	case "recover":
		return part.Recover()
	case "rejoin":
		return f.rejoin(ctx, part, r)
	case "slots":
		return f.setSlots(ctx, r)
	case "add":
		return part.Add(ctx, r.Args[1])
	case "lead":
		return part.Lead(ctx, r.Args[1])
	}
	return part.Remove(ctx, r.Args[1], r.Force)
}

// setSlots is "cluster slots SERVICE N", which any node with a lease can do.
func (f *Fleet) setSlots(ctx context.Context, r *api.Request) (string, error) {
	n, err := api.ClusterSlots(r.Args)
	if err != nil {
		return "", err
	}
	service, m := r.Args[1], f.joins.Member
	if m == nil {
		return "", api.Refused("this process holds no locks of the cluster", "ask a node that has the service")
	}
	switch err := m.SetSlots(ctx, service, n); {
	case errors.Is(err, member.ErrNoService):
		return "", api.Wrong("cluster: "+err.Error(), `tcpctl status shows them; lock.scope = "cluster" makes one`)
	case errors.Is(err, member.ErrFewSlots):
		return "", api.Refused("cluster: "+err.Error(), `write lock.order = "strict" in the files of all nodes, and reload them`)
	case errors.Is(err, member.ErrNoLease):
		return "", api.NoQuorum("cluster: "+err.Error()+": nothing was done", "tcpctl cluster status shows the voters")
	case err != nil:
		return "", api.Refused("cluster: whether the slots have changed is not known: no majority has confirmed it in time", "tcpctl status shows how many there are; repeating it is safe")
	}
	return fmt.Sprintf("%s has %s on all nodes", service, text.Plural(int(n), "slot")), nil
}

// rejoin asks the leader to remove this node, whose voter has stopped, and then removes its log.
func (f *Fleet) rejoin(ctx context.Context, part *quorum.Part, r *api.Request) (string, error) {
	if why := part.Stopped(); why == nil || quorum.Recovered(why) {
		return part.Rejoin() // which reports that nothing is wrong, or needs no leader
	}
	peer, err := part.AnyVoter()
	if err != nil {
		return "", err
	}
	remove := *r
	remove.Args, remove.Force = []string{"remove", f.node.NodeName()}, true
	if _, err := f.PeerFor(peer, r.By).Do(ctx, remove); err != nil {
		return "", err
	}
	return part.Rejoin()
}
