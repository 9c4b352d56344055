package quorum

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"slices"
	"sync"

	"github.com/tcpctl/tcpctl/lock/cluster"
	"github.com/tcpctl/tcpctl/lock/cluster/raftlog"
)

// A Carrier is how this process's member reaches the voters: by the node's Part, where
// this process has it, and otherwise by the process of this node that has. In an
// upgrade the Part goes from one process to the next, and both have clients. Each has
// a lease of its own, so that nothing has to be handed over.
//
// What is sent goes to all other processes, as one of them has the Part; the answers
// go to all, and each takes those of its own incarnation. Close it.
type Carrier struct {
	id          cluster.NodeID
	incarnation uint64
	lock        *os.File // the locked file of its number
	number      int
	wg          sync.WaitGroup

	mu     sync.Mutex
	closed bool
	part   *Part // nil: another process has it
	way    way   // as last received from the process that has it
	step   func(cluster.Answer)
	again  func()
	links  []*link // to the other processes
}

// A way is what the process that has the Part knows of the voters.
type way struct {
	Voters       []cluster.NodeID `json:"voters"`
	OtherVersion bool             `json:"other_version,omitempty"`
}

// NewCarrier makes the carrier of a process of the node, which may have been started
// by another one. The incarnation is the node's, and no other process has it.
func NewCarrier(dir string, node cluster.NodeID, incarnation uint64, first int) (*Carrier, error) {
	n, lock, err := takeProcess(dir, first)
	if err != nil {
		return nil, err
	}
	return &Carrier{id: node + cluster.NodeID(n), incarnation: incarnation, lock: lock, number: n}, nil
}

// Self is this process, as the state knows it.
func (c *Carrier) Self() cluster.NodeID { return c.id }

// Incarnation is which start of the node this process is.
func (c *Carrier) Incarnation() uint64 { return c.incarnation }

// Voters are those that are known by now.
func (c *Carrier) Voters() []cluster.NodeID {
	part, last := c.current()
	if part != nil {
		return part.Voters()
	}
	return last.Voters
}

// current returns the node's Part if this process has it, otherwise nil and the way that was last
// received.
func (c *Carrier) current() (*Part, way) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.part, c.way
}

// OtherVersion reports whether this node gets no slots since the voters have another
// version.
func (c *Carrier) OtherVersion() bool {
	part, last := c.current()
	if part != nil {
		return part.OtherVersion()
	}
	return last.OtherVersion
}

// Name is how an operator calls a node, as far as this process knows: the one that has the
// Part does.
func (c *Carrier) Name(node cluster.NodeID) string {
	if part, _ := c.current(); part != nil {
		return part.Name(node)
	}
	return node.Hex()
}

// SetMember has step take the answers to this process's member, and again be called
// when there is a new way to the voters. They are called on any goroutine.
func (c *Carrier) SetMember(step func(cluster.Answer), again func()) {
	c.mu.Lock()
	c.step, c.again = step, again
	c.mu.Unlock()
}

// SetPart says that this process has the node's Part from now on; nil: no more.
func (c *Carrier) SetPart(p *Part) {
	last := way{c.Voters(), c.OtherVersion()} // until the process that gets the Part next sends its own
	c.mu.Lock()
	c.part, c.way = p, last
	c.mu.Unlock()
	if p != nil {
		p.setCarrier(c)
		c.tell()
	}
}

// tell sends the current way to the other processes, and renews this process's requests.
func (c *Carrier) tell() {
	part, _ := c.current()
	if part == nil {
		return
	}
	text, _ := json.Marshal(way{part.Voters(), part.OtherVersion()}) // cannot fail: plain fields
	c.sendAll(encodeFrame(frameWay, text))
	c.renew()
}

func (c *Carrier) renew() {
	c.mu.Lock()
	again := c.again
	c.mu.Unlock()
	if again != nil {
		again()
	}
}

// Send sends what the member says. It does not block.
func (c *Carrier) Send(r cluster.RequestTo) {
	if part, _ := c.current(); part != nil {
		part.Send(r)
		return
	}
	c.sendAll(encodeFrame(frameRequestTo, append(binaryNode(r.To), cluster.EncodeRequest(r.Request)...)))
}

// answer passes a voter's answer on to this process's member and to the other processes.
func (c *Carrier) answer(r cluster.Answer) {
	c.mu.Lock()
	step, others := c.step, len(c.links) > 0
	c.mu.Unlock()
	if others {
		c.sendAll(encodeFrame(frameAnswer, cluster.EncodeAnswer(r)))
	}
	if step != nil {
		step(r)
	}
}

// sendAll sends a frame to the other processes. It drops the frame for a process that does not read.
func (c *Carrier) sendAll(frame []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, l := range c.links {
		select {
		case l.out <- frame:
		default:
		}
	}
}

// Serve speaks with another process of the node until one of the two ends, and owns
// the connection.
func (c *Carrier) Serve(conn net.Conn) {
	l := &link{conn: conn, out: make(chan []byte, maxOut), done: make(chan struct{})}
	defer conn.Close()
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return
	}
	c.links = append(c.links, l)
	c.wg.Add(1)
	c.mu.Unlock()
	defer c.wg.Done()
	c.wg.Go(l.write)
	c.tell()
	for r := bufio.NewReader(conn); ; {
		kind, data, err := readFrame(r, processLimits)
		if err == nil {
			err = c.take(kind, data)
		}
		if err != nil {
			break
		}
	}
	close(l.done)
	c.mu.Lock()
	c.links = slices.DeleteFunc(c.links, func(o *link) bool { return o == l })
	c.mu.Unlock()
}

// take handles a frame of another process. Requests are handled only by the process that has the Part.
func (c *Carrier) take(kind byte, data []byte) error {
	switch kind {
	case frameRequestTo:
		if len(data) < nodeLen {
			return raftlog.ErrMessage
		}
		r, err := cluster.DecodeRequest(data[nodeLen:])
		if err != nil {
			return err
		}
		if part, _ := c.current(); part != nil && nodeOf(r.Node) == part.Self() {
			part.Send(cluster.RequestTo{To: readNode(data), Request: r})
		}
		return nil
	case frameAnswer:
		r, err := cluster.DecodeAnswer(data)
		if err != nil {
			return err
		}
		c.mu.Lock()
		step := c.step
		c.mu.Unlock()
		if step != nil {
			step(r)
		}
		return nil
	case frameWay:
		var now way
		if err := json.Unmarshal(data, &now); err != nil {
			return err
		}
		c.mu.Lock()
		c.way = now
		c.mu.Unlock()
		c.renew()
		return nil
	}
	return fmt.Errorf("%w: a frame of kind %d", raftlog.ErrMessage, kind)
}

// Close ends the streams with the other processes, and waits for that.
func (c *Carrier) Close() {
	c.mu.Lock()
	c.closed = true
	for _, l := range c.links {
		l.conn.Close()
	}
	c.mu.Unlock()
	c.wg.Wait()
	c.lock.Close()
}
