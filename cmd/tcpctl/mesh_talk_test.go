package main

import (
	"bufio"
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/tcpctl/tcpctl/mesh"
)

// TestAPeerThatDoesNotReadStopsNobody: another peer gets every line, and the sender can continue,
// and leave.
func TestAPeerThatDoesNotReadStopsNobody(t *testing.T) {
	t.Parallel()
	join := func(node string, onConn func(*mesh.Conn), join ...string) *mesh.Node {
		n, err := mesh.New(mesh.Config{Name: "talk", Node: node, NoMDNS: true, Join: join, OnConn: onConn})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { n.Close() })
		if err := n.Listen(t.Context(), "127.0.0.1:0"); err != nil {
			t.Fatal(err)
		}
		return n
	}
	hub := join("hub", func(*mesh.Conn) {})
	const lines = 1000 // of 60 KB: more than any socket buffer holds
	heard := make(chan int, 1)
	ctx, all := context.WithTimeout(t.Context(), patience) // ends once all lines were read
	defer all()
	join("reads", func(c *mesh.Conn) {
		defer c.Close()
		n := 0
		read := bufio.NewScanner(c)
		for read.Buffer(nil, 1<<20); read.Scan(); n++ {
			if n == lines-1 {
				all()
			}
			if want := fmt.Sprint(n, " "); !strings.HasPrefix(read.Text(), want) {
				t.Errorf("line %d is %.20q", n, read.Text())
			}
		}
		heard <- n
	}, hub.Addr().String())
	join("stuck", func(*mesh.Conn) {}, hub.Addr().String())
	for end := time.Now().Add(patience); len(hub.Conns()) < 2; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("not connected")
		}
	}

	talk := &talk{ctx: t.Context(), peers: map[string]*talkPeer{}}
	for i := range lines {
		talk.say(hub.Conns(), fmt.Sprint(i, " ", strings.Repeat("x", 60_000)))
	}
	dropped := map[string]int{}
	for _, p := range talk.peers {
		p.mu.Lock()
		dropped[p.conn.Peer().Name] = p.dropped
		p.mu.Unlock()
	}
	if dropped["reads"] > 0 || dropped["stuck"] == 0 {
		t.Errorf("dropped: %v", dropped)
	}
	wait := talk.flush()
	hub.Shutdown(ctx)
	wait()
	select {
	case n := <-heard:
		if n != lines {
			t.Errorf("the reading peer got %d lines of %d", n, lines)
		}
	case <-time.After(patience):
		t.Error("the reading peer did not see the end")
	}
}
