package mesh

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/yamux"

	"github.com/tcpctl/tcpctl/mesh/meshinfo"
)

// quiet returns a node that does not listen.
func quiet(t *testing.T, name, secret string, onStream func(meshinfo.Peer, net.Conn)) *Node {
	t.Helper()
	n, err := New(Config{Name: "hostile hub", Node: name, Secrets: []string{secret}, NoMDNS: true, Hubs: []string{"hub"}, OnStream: onStream})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { n.Close() })
	return n
}

// relayTo returns a node's relay to a hub, and the hub's session, which the test controls.
func relayTo(t *testing.T, n *Node) (*relay, *yamux.Session) {
	t.Helper()
	near, far := net.Pipe()
	cfg := yamux.DefaultConfig()
	cfg.LogOutput = io.Discard
	mine, err := yamux.Client(near, cfg)
	if err != nil {
		t.Fatal(err)
	}
	hubs, err := yamux.Server(far, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { mine.Close(); hubs.Close() })
	r := &relay{link: &link{node: n, theirs: hello{Name: "hub"}}, session: mine, streams: make(chan struct{}, maxRelayed)}
	return r, hubs
}

func TestRule53dAHostileHubCannotReadOrChangeAStream(t *testing.T) {
	secret := NewSecret()
	got := make(chan string, 16)
	onStream := func(p meshinfo.Peer, c net.Conn) {
		defer c.Close()
		text, err := io.ReadAll(c)
		got <- p.Name + ": " + string(text)
		if err != nil {
			got <- err.Error()
		}
	}
	for name, c := range map[string]struct {
		change func(b []byte) // what the hub does to the bytes for the target
		as     func(target, other *Node) *Node
		want   string // in an error of either end
	}{
		"honest":       {func([]byte) {}, func(target, _ *Node) *Node { return target }, ""},
		"another node": {func([]byte) {}, func(_, other *Node) *Node { return other }, "to another node"},
		"a changed byte": {func(b []byte) {
			if i := bytes.Index(b, []byte{0x17, 3, 3}); i >= 0 && len(b) > i+40 { // an encrypted TLS record
				b[i+30] ^= 1
			}
		}, func(target, _ *Node) *Node { return target }, "bad record MAC"},
	} {
		t.Run(name, func(t *testing.T) {
			a, b, other := quiet(t, "a", secret, nil), quiet(t, "b", secret, onStream), quiet(t, "other", secret, onStream)
			fromA, hubA := relayTo(t, a)
			to := c.as(b, other)
			toB, hubB := relayTo(t, to)
			seen := make(chan []byte, 1)
			go passOn(hubA, hubB, to.ID(), c.change, seen)
			go toB.serve()
			ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
			defer cancel()
			conn, err := a.openThrough(ctx, fromA, meshinfo.Peer{ID: b.ID(), Name: "b"})
			if err == nil {
				_, err = io.WriteString(conn, "the secret of a")
				conn.Close()
				toldB := <-got
				if c.want == "" && toldB != "a: the secret of a" {
					t.Errorf("the target got %q", toldB)
				}
				if bytes.Contains(<-seen, []byte("the secret of a")) {
					t.Error("the hub has read it")
				}
			}
			if c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("%v: want %q", err, c.want)
			}
		})
	}
}

// passOn acts as a hub that passes one stream on to the node with this id, whichever was requested.
func passOn(from, to *yamux.Session, id string, change func([]byte), seen chan<- []byte) {
	s, err := from.AcceptStream()
	if err != nil {
		return
	}
	defer s.Close()
	if _, err := readFrame(s, relayRequestSize); err != nil {
		return
	}
	next, err := to.OpenStream()
	if err != nil {
		return
	}
	defer next.Close()
	if writeFrame(next, relayRequest{target: id}.encode()) != nil {
		return
	}
	go io.Copy(s, next)
	var all []byte
	buf := make([]byte, 64<<10)
	for {
		n, err := s.Read(buf)
		change(buf[:n])
		all = append(all, buf[:n]...)
		if _, werr := next.Write(buf[:n]); err != nil || werr != nil {
			break
		}
	}
	seen <- all
}

func TestRule53dAHubThatIsTheTargetItself(t *testing.T) {
	secret := NewSecret()
	a, b := quiet(t, "a", secret, nil), quiet(t, "b", secret, nil)
	fromA, hubA := relayTo(t, a)
	hub := quiet(t, "b", secret, func(meshinfo.Peer, net.Conn) { t.Error("the hub has a stream that was for another node") })
	go func() {
		s, err := hubA.AcceptStream()
		if err != nil {
			return
		}
		if _, err := readFrame(s, relayRequestSize); err == nil {
			hub.takeRelayed(fromA, &stream{Conn: s})
		}
	}()
	_, err := a.openThrough(context.Background(), fromA, meshinfo.Peer{ID: b.ID(), Name: "b"})
	if err == nil || !strings.Contains(err.Error(), "another node") {
		t.Errorf("%v: want that it is another node", err)
	}
}

func TestRule53ASignedRecordIsItsNodesAlone(t *testing.T) {
	n := quiet(t, "n", NewSecret(), nil)
	n.SetRecord([]byte("how n is"))
	body, err := n.ownSigned()
	if err != nil {
		t.Fatal(err)
	}
	s, err := parseSigned(body)
	if err != nil || s.verify("hostile hub") != nil || s.id != n.ID() || s.about.Name != "n" || string(s.record) != "how n is" {
		t.Fatalf("%+v, %v, %v", s, err, s.verify("hostile hub"))
	}
	if s.verify("another mesh") == nil {
		t.Error("it is valid in another mesh")
	}
	for i := range body {
		changed := bytes.Clone(body)
		changed[i] ^= 1
		if s, err := parseSigned(changed); err == nil && s.verify("hostile hub") == nil {
			t.Errorf("byte %d can be changed", i)
		}
	}
	n.SetRecord([]byte("how n is now"))
	if later, err := n.ownSigned(); err != nil {
		t.Error(err)
	} else if l, err := parseSigned(later); err != nil || l.version <= s.version {
		t.Errorf("version %d after %d: %v", l.version, s.version, err)
	}
}

// A hub cannot replay an older record, change one, or forge one for a node; and a node that is not a hub is not believed at all.
func TestRule53WhatAHubTells(t *testing.T) {
	secret := NewSecret()
	a, b := quiet(t, "a", secret, nil), quiet(t, "b", secret, nil)
	b.SetRecord([]byte("old"))
	old, err := b.ownSigned()
	if err != nil {
		t.Fatal(err)
	}
	b.SetRecord([]byte("new"))
	newer, err := b.ownSigned()
	if err != nil {
		t.Fatal(err)
	}
	hub := func(name string) *link {
		ctx, cancel := context.WithCancel(context.Background())
		t.Cleanup(cancel)
		l := &link{node: a, peer: &peer{node: a, id: name}, theirs: hello{Name: name}, handshake: &handshake{trusted: true}, asked: feedAll, ctx: ctx}
		l.peer.link = l
		l.wire = newWire(nil, a.started)
		l.out.wake = make(chan struct{}, 1)
		return l
	}
	tell := func(l *link, signed []byte) error {
		e := feedEntry{id: b.ID(), state: meshinfo.Alive, addr: netip.MustParseAddrPort("10.0.0.1:1"), signed: signed}
		return l.gotFeed(e.appendTo(nil))
	}
	record := func() string {
		for _, p := range a.Peers() {
			return p.Name + " " + string(p.State) + " " + string(p.Record)
		}
		return ""
	}
	if err := tell(hub("stranger"), old); err != nil || record() != "" {
		t.Errorf("a node that is no hub is believed: %q, %v", record(), err)
	}
	forged := bytes.Clone(newer)
	forged[len(forged)-1] ^= 1
	if err := tell(hub("hub"), forged); err == nil || record() != "" {
		t.Errorf("a changed record: %q, %v", record(), err)
	}
	for _, c := range []struct {
		signed []byte
		want   string
	}{{old, "b alive old"}, {newer, "b alive new"}, {old, "b alive new"}, {nil, "b alive new"}} {
		if err := tell(hub("hub"), c.signed); err != nil || record() != c.want {
			t.Errorf("%q, %v: want %q", record(), err, c.want)
		}
	}
	// A record that a hub has delivered first is accepted again from the peer's own link.
	l := hub("hub")
	link := func(of *link) {
		a.mu.Lock()
		defer a.mu.Unlock()
		l.peer = a.peers[b.ID()]
		l.peer.link = of
	}
	link(l)
	b.SetRecord([]byte("newest"))
	newest, err := b.ownSigned()
	if err != nil {
		t.Fatal(err)
	}
	if err := tell(hub("hub"), newest); err != nil || l.gotSigned(newest) != nil || record() != "b alive newest" {
		t.Errorf("%q, %v: want the newest", record(), err)
	}
	link(nil)

	own, err := a.ownSigned() // a's own, as if from before a restart, when its clock was ahead
	if err != nil {
		t.Fatal(err)
	}
	s, _ := parseSigned(own)
	ahead, err := signRecord(a.id.key, "hostile hub", s.version+1000, s.about, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := hub("hub").gotSigned(ahead); err != nil {
		t.Error(err)
	}
	if own, err = a.ownSigned(); err != nil {
		t.Fatal(err)
	}
	if again, _ := parseSigned(own); again.version <= s.version+1000 {
		t.Errorf("it signs version %d after it has seen %d of itself", again.version, s.version+1000)
	}
	if err := hub("hub").gotSigned(newer); err == nil {
		t.Error("a peer's record may be that of another node")
	}
}
