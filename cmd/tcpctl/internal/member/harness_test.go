package member_test

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/pires/go-proxyproto"
	"go.uber.org/goleak"

	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/member"
	"github.com/tcpctl/tcpctl/lock/cluster"
	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/proxy/proxytest"
)

func TestMain(m *testing.M) {
	proxytest.SetUp(64, 16)
	goleak.VerifyTestMain(m)
}

// patience is generous: it only catches hangs.
const patience = time.Minute

// eachRelay runs a test over each runner.
func eachRelay(t *testing.T, test func(t *testing.T, relay string)) {
	t.Parallel()
	for _, relay := range []string{"stream", "loop"} {
		if relay == "loop" && runtime.GOOS != "linux" {
			continue
		}
		t.Run(relay, func(t *testing.T) {
			t.Parallel()
			test(t, relay)
		})
	}
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !ok(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("timeout waiting for: %s", what)
		}
	}
}

// oneLog is the Log of a single voter, which always leads: whatever is proposed is committed.
type oneLog struct {
	entries []cluster.LogEntry
	taken   int
	read    uint64
	terms   uint64 // terms before this one
}

func (l *oneLog) Propose(data []byte) error {
	l.entries = append(l.entries, cluster.LogEntry{Index: uint64(len(l.entries) + 1), Term: l.terms + 1, Data: slices.Clone(data)})
	return nil
}

func (l *oneLog) Confirm(read uint64) error { l.read = read; return nil }

func (l *oneLog) Ready() cluster.LogReady {
	r := cluster.LogReady{Term: l.terms + 1, Leader: 1, Entries: l.entries[l.taken:], Confirmed: l.read}
	l.taken = len(l.entries)
	return r
}

// A hub is the voter, and carries messages to it and back.
type hub struct {
	mu    sync.Mutex
	log   oneLog
	voter *cluster.Voter
	steps map[cluster.NodeID]func(cluster.Answer)
	again map[cluster.NodeID]func()
	cut   map[cluster.NodeID]bool
	down  bool
	keep  bool                    // nodes have on_lost = "keep"
	other map[cluster.NodeID]bool // nodes with another version than the voter
	alien map[cluster.NodeID]bool // nodes that know none of the voters of their files
}

func newHub(t *testing.T, lease time.Duration) *hub {
	h := &hub{steps: map[cluster.NodeID]func(cluster.Answer){}, again: map[cluster.NodeID]func(){}, cut: map[cluster.NodeID]bool{}, other: map[cluster.NodeID]bool{}, alien: map[cluster.NodeID]bool{}}
	h.log.Propose(nil) // the term's first entry
	h.voter = cluster.NewVoter(1, lease, cluster.NewState("test"), &h.log)
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() {
		for polls := 1; ctx.Err() == nil; polls++ {
			time.Sleep(5 * time.Millisecond)
			h.do(func() {})
			if polls%20 == 0 {
				h.renew()
			}
		}
	})
	t.Cleanup(func() { cancel(); wg.Wait() })
	return h
}

// do runs something on the voter, and delivers its answers.
func (h *hub) do(something func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.down {
		return
	}
	something()
	for range 3 { // what it proposes is committed at once
		h.voter.Poll(member.Boottime())
	}
	for _, a := range h.voter.Answers() {
		if step := h.steps[a.To]; step != nil && !h.cut[a.To] {
			step(a.Answer)
		}
	}
}

// renew has all nodes renew their leases, as over a new connection. By themselves they do it six times in a lease,
// and say again only then what was lost, and learn only then what others have reported.
func (h *hub) renew() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, again := range h.again {
		again()
	}
}

// A link is a node's Link to the hub.
type link struct {
	*hub
	node cluster.NodeID
}

func (l link) Self() cluster.NodeID { return l.node }
func (l link) Incarnation() uint64  { return 1 }
func (l link) OtherVersion() bool   { l.mu.Lock(); defer l.mu.Unlock(); return l.other[l.node] }
func (l link) Voters() []cluster.NodeID {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.alien[l.node] {
		return nil
	}
	return []cluster.NodeID{1}
}

func (l link) Send(r cluster.RequestTo) {
	l.do(func() {
		if !l.cut[l.node] {
			r.Ops = slices.Clone(r.Ops)
			l.voter.Step(member.Boottime(), r.Request)
		}
	})
}

func (l link) Name(n cluster.NodeID) string { return fmt.Sprintf("node-%d", n) }

func (l link) SetMember(step func(cluster.Answer), again func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.steps[l.node], l.again[l.node] = step, again
}

// otherVersion sets whether a node's streams have another version than the voter's.
func (h *hub) otherVersion(node cluster.NodeID, other bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.other[node] = other
}

// link cuts a node off from the voter, or reconnects it.
func (h *hub) link(node cluster.NodeID, works bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.cut[node] = !works
}

// stop makes the voter do nothing, as during an election, or lead again, in a new term.
func (h *hub) stop(down bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.down && !down {
		h.log.terms++
		h.log.read = 0
		h.log.Propose(nil)
	}
	h.down = down
}

// restores restarts the voter from a snapshot of its state, in a new term.
func (h *hub) restores(t *testing.T, lease time.Duration) {
	t.Helper()
	h.mu.Lock()
	defer h.mu.Unlock()
	state, err := cluster.RestoreState(h.voter.State().Snapshot())
	if err != nil {
		t.Fatal(err)
	}
	h.log.terms++
	h.log.read = 0
	h.log.Propose(nil)
	h.voter = cluster.NewVoter(1, lease, state, &h.log)
}

// voterSays evaluates a condition on the voter's state.
func (h *hub) voterSays(is func(*cluster.State) bool) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return is(h.voter.State())
}

// said counts the nodes' ops in the state that match.
func (h *hub) said(t *testing.T, which func(cluster.Batch, cluster.Op) bool) (n int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, e := range h.log.entries[:h.log.taken] {
		if len(e.Data) == 0 {
			continue
		}
		batches, err := cluster.DecodeEntry(e.Data)
		if err != nil {
			t.Fatal(err)
		}
		for _, b := range batches {
			for _, op := range b.Ops {
				if which(b, op) {
					n++
				}
			}
		}
	}
	return n
}

// untilAble waits until all nodes know whether a node can serve.
func (h *hub) untilAble(t *testing.T, node cluster.NodeID, able bool) {
	t.Helper()
	eventually(t, fmt.Sprintf("node %d is able: %t", node, able), func() bool {
		now := true
		h.said(t, func(b cluster.Batch, op cluster.Op) bool {
			if b.Node == node && op.Kind == cluster.OpAble {
				now = op.Flag
			}
			return false
		})
		return now == able
	})
}

// places counts the arrivals of a node that have, or had, a committed place.
func (h *hub) places(t *testing.T, node cluster.NodeID) int {
	top := uint64(0)
	h.said(t, func(b cluster.Batch, op cluster.Op) bool {
		if b.Node == node && op.Kind == cluster.OpJoin {
			top = max(top, op.To)
		}
		return false
	})
	return int(top)
}

func (h *hub) held() []cluster.Grant {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.voter.State().Held("db")
}

// A backend counts its clients, and answers each with its name. With one slot, it refuses tokens
// older than one that it has seen.
type backend struct {
	several bool
	t       *testing.T
	ln      net.Listener
	wg      sync.WaitGroup
	name    string

	mu     sync.Mutex
	conns  map[net.Conn]bool
	most   int
	tokens []uint64
	names  []string
	old    int // refused tokens
}

func newBackend(t *testing.T, name string, slots int) *backend {
	t.Helper()
	b := &backend{t: t, name: name, several: slots > 1}
	b.listen(proxytest.FreePort(t))
	t.Cleanup(b.stop)
	return b
}

func (b *backend) listen(addr string) {
	b.t.Helper()
	eventually(b.t, "listen on "+addr, func() (ok bool) {
		var err error
		b.ln, err = net.Listen("tcp", addr)
		return err == nil
	})
	b.mu.Lock()
	b.conns = map[net.Conn]bool{}
	b.mu.Unlock()
	b.wg.Go(func() {
		for ln := b.ln; ; {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			b.wg.Go(func() { b.serve(c) })
		}
	})
}

func (b *backend) stop() {
	proxytest.StopListening(b.ln)
	b.mu.Lock()
	for c := range b.conns {
		c.Close()
	}
	b.conns = nil
	b.mu.Unlock()
	b.wg.Wait()
}

func (b *backend) serve(c net.Conn) {
	defer c.Close()
	r := bufio.NewReader(c)
	var token uint64
	h, err := proxyproto.Read(r)
	if err != nil {
		return // a check
	}
	tlvs, _ := h.TLVs()
	for _, tlv := range tlvs {
		if tlv.Type == 0xE5 {
			token = binary.BigEndian.Uint64(tlv.Value)
		}
	}
	line, err := r.ReadString('\n')
	if err != nil {
		return
	}
	b.mu.Lock()
	if n := len(b.tokens); token == 0 || n > 0 && !b.several && token <= b.tokens[n-1] {
		b.old++
		b.mu.Unlock()
		return
	}
	if b.conns == nil {
		b.mu.Unlock()
		return // being stopped
	}
	b.conns[c] = true
	b.tokens = append(b.tokens, token)
	b.names = append(b.names, strings.TrimSpace(line))
	n := 0
	for c := range b.conns {
		if !proxytest.WasReset(c) {
			n++
		}
	}
	b.most = max(b.most, n)
	b.mu.Unlock()
	fmt.Fprintf(c, "%s %d\n", b.name, token)
	io.Copy(io.Discard, r)
	b.mu.Lock()
	delete(b.conns, c) // before the other end sees the close
	b.mu.Unlock()
}

func (b *backend) order() ([]string, []uint64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.names), slices.Clone(b.tokens)
}

// atMost fails the test if there were more than n clients at a time.
func (b *backend) atMost(n int) {
	b.t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.most > n || b.old > 0 {
		b.t.Errorf("%d clients at a time over %d slots, %d old tokens", b.most, n, b.old)
	}
}

// A node is an engine with one service, and its member.
type node struct {
	*testing.T
	id      cluster.NodeID
	hub     *hub
	member  *member.Member
	engine  *proxy.Engine
	config  proxy.ServiceConfig
	svc     *proxy.Service
	records chan proxy.Record
	mu      sync.Mutex
	warned  []string
}

// A rig is three nodes with one backend.
type rig struct {
	*hub
	nodes   []*node
	backend *backend
}

// newRig starts nodes with the service c. change can modify each node's.
func newRig(t *testing.T, lease time.Duration, relay string, c proxy.ServiceConfig, change func(i int, c *proxy.ServiceConfig, m *member.Config)) *rig {
	t.Helper()
	r := &rig{hub: newHub(t, lease), backend: newBackend(t, "a", c.Lock.Slots)}
	for i := range 3 {
		n := &node{T: t, id: cluster.NodeID(i + 1), hub: r.hub, records: make(chan proxy.Record, 1000)}
		n.config = c
		n.config.Name, n.config.Listen, n.config.Relay = "db", []string{proxytest.FreePort(t)}, relay
		n.config.SendProxy = 2
		n.config.Check.Type = "none"
		n.config.Lock.Scope = proxy.ScopeCluster
		if n.config.Lock.Slots == 0 {
			n.config.Lock.Slots = 1
		}
		n.config.Backends = []proxy.BackendConfig{{Name: "a", Addr: r.backend.ln.Addr().String()}}
		m := member.Config{Lease: lease}
		if change != nil {
			change(i, &n.config, &m)
		}
		n.start(m)
		r.nodes = append(r.nodes, n)
	}
	for _, n := range r.nodes {
		eventually(t, "each node has a lease, and knows the slots", func() bool { return n.member.Lease() > 0 && n.member.Facts("db").Slots > 0 })
	}
	return r
}

func (n *node) start(m member.Config) {
	n.Helper()
	m.Warn = func(_, text string) {
		n.mu.Lock()
		defer n.mu.Unlock()
		n.warned = append(n.warned, text)
	}
	n.member = member.New(m)
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := n.member.Run(ctx); err != nil {
			n.Error(err)
		}
	})
	n.config.Shared = n.member.Share("db", member.ValuesOf(&n.config))
	e, err := proxy.New(proxy.Config{Services: []proxy.ServiceConfig{n.config}, OnRecord: func(r proxy.Record) { n.records <- r }})
	if err == nil {
		err = e.Start()
	}
	if err != nil {
		n.Fatal(err)
	}
	n.engine, n.svc = e, e.Service("db")
	n.member.Join(link{n.hub, n.id})
	n.Cleanup(func() {
		e.Close()
		n.hub.link(n.id, true) // so that its departure is heard at once
		n.member.Leave(time.Second)
		cancel()
		wg.Wait()
	})
}

func (n *node) until(what string, ok func(proxy.ServiceInfo) bool) {
	n.Helper()
	eventually(n.T, what, func() bool { return ok(n.svc.Info()) })
}

func (n *node) record() proxy.Record {
	n.Helper()
	select {
	case r := <-n.records:
		return r
	case <-time.After(patience):
		n.Fatal("no record came")
	}
	return proxy.Record{}
}

type visitor struct {
	t    *testing.T
	n    *node
	name string
	came time.Time
	net.Conn
	r     *bufio.Reader
	reset bool // the connection was reset before it had sent its name
}

// dial connects to a node's service and sends a name.
func (n *node) dial(name string) *visitor {
	n.Helper()
	c, err := net.Dial("tcp", n.svc.Info().Listen[0])
	if err != nil {
		n.Fatal(err)
	}
	n.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(patience))
	_, err = fmt.Fprintf(c, "%s\n", name)
	// A write that fails with a reset consumes the error: a read would see only the end.
	return &visitor{n.T, n, name, time.Now(), c, bufio.NewReader(c), errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)}
}

// queue dials, and waits until the client's place is committed.
func (n *node) queue(name string) *visitor {
	n.Helper()
	before := n.hub.places(n.T, n.id)
	v := n.dial(name)
	eventually(n.T, name+" has its place", func() bool { return n.hub.places(n.T, n.id) > before })
	return v
}

// hears waits for the backend's answer, and returns the token.
func (v *visitor) hears(backend string) (token uint64) {
	v.t.Helper()
	v.SetReadDeadline(time.Now().Add(patience))
	line, err := v.r.ReadString('\n')
	if err != nil {
		i := v.n.svc.Info()
		v.t.Fatalf("%s heard %q, %v, %s after it came; on its node now: %s, lease of %s, queue %+v, lock %+v",
			v.name, line, err, time.Since(v.came), i.Reason, v.n.member.Lease(), i.Queue, *i.Lock)
	}
	var who string
	if fmt.Sscan(line, &who, &token); who != backend {
		v.t.Fatalf("%s heard %q, not of %s", v.name, line, backend)
	}
	return token
}

// ends waits for the end of the connection, and reports whether it was a reset.
func (v *visitor) ends() (reset bool) {
	v.t.Helper()
	v.SetReadDeadline(time.Now().Add(patience))
	_, err := io.Copy(io.Discard, v.r)
	if os.IsTimeout(err) {
		v.t.Fatalf("%s has not ended", v.name)
	}
	return err != nil || v.reset
}

// leaves closes the connection, waits until the session is over, and reports whether it was reset.
func (v *visitor) leaves() (reset bool) {
	v.t.Helper()
	v.Conn.(*net.TCPConn).CloseWrite()
	reset = v.ends()
	v.Close()
	return reset
}

// records returns the records of all nodes, once no session is left.
func (r *rig) records() (all []proxy.Record) {
	for _, n := range r.nodes {
		n.Helper()
		n.until("no session is left", func(i proxy.ServiceInfo) bool {
			return i.Sessions.Active == 0 && i.Queue.Waiting == 0 && len(n.engine.Operator().Sessions(false)) == 0
		})
		for len(n.records) > 0 {
			all = append(all, <-n.records)
		}
	}
	eventually(r.backend.t, "no slot is held", func() bool { return len(r.held()) == 0 })
	return all
}

// tokensOnce checks in the records that each served session has a token that no other had.
func (r *rig) tokensOnce() {
	seen := map[uint64]bool{}
	for _, rec := range r.records() {
		if rec.Served && (rec.Token == 0 || seen[rec.Token]) {
			r.nodes[0].Errorf("a token that was given twice, or none: %+v", rec)
		}
		seen[rec.Token] = true
	}
}

// warns waits for a warning of the node.
func (n *node) warns(text string) {
	n.Helper()
	eventually(n.T, "it warns: "+text, func() bool {
		n.mu.Lock()
		defer n.mu.Unlock()
		return slices.ContainsFunc(n.warned, func(w string) bool { return strings.Contains(w, text) })
	})
}
