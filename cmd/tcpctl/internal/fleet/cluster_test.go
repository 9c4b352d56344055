package fleet

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tcpctl/tcpctl/mesh"
	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/proxy/api"
)

// startVoter starts a voter with its log in dir.
func startVoter(t *testing.T, name, dir string, voters []string, join ...string) (*Fleet, *api.Local) {
	t.Helper()
	engine, err := proxy.New(proxy.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { engine.Close() })
	source := &api.Local{Engine: engine, By: "ana@" + name, Node: api.Node{Name: name}}
	f, err := Start(context.Background(), Config{Listen: "127.0.0.1:0", Log: slog.New(slog.DiscardHandler),
		Mesh:    mesh.Config{Name: "test", Node: name, Join: join, NoMDNS: true, Secrets: []string{"0123456789abcdef"}},
		Cluster: &Cluster{Voters: voters, Dir: dir, Lease: 3 * time.Second, Election: time.Second / 2}}, source)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(f.Close)
	return f, source
}

// TestAClusterOverTheMesh: its streams and operators' requests go over the same links; an act goes
// to the leader, whichever node was asked; a node keeps its identity over a restart.
func TestAClusterOverTheMesh(t *testing.T) {
	t.Parallel()
	root, voters := t.TempDir(), []string{"a", "b", "c"}
	dir := func(name string) string {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(path, 0o700); err != nil {
			t.Fatal(err)
		}
		return path
	}
	fa, a := startVoter(t, "a", dir("a"), voters)
	join := fa.Addr().String()
	fb, b := startVoter(t, "b", dir("b"), voters, join)
	fc, c := startVoter(t, "c", dir("c"), voters, join)
	do := func(l *api.Local, args ...string) (string, error) {
		res, err := l.Do(t.Context(), api.Request{Act: "cluster", Args: args, By: "ana"})
		return strings.Join(res.Texts, " "), err
	}
	if text, err := do(a, "init"); err != nil || !strings.Contains(text, "a votes, and adds b, c") {
		t.Fatalf("init: %q, %v", text, err)
	}
	vote := func(l *api.Local) (n, reached int) {
		st, err := l.Status(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range st.Cluster.Voters {
			if !v.Missing && !v.Learner && st.Cluster.Leader != "" {
				n++
			}
		}
		reached, _ = st.Cluster.Reached()
		return n, reached
	}
	for _, l := range []*api.Local{a, b, c} {
		until(t, "three voters that reach each other", func() bool { n, reached := vote(l); return n == 3 && reached == 3 })
	}
	for _, to := range []string{"b", "c", "a"} {
		text, err := do(c, "lead", to)
		if err != nil || !strings.HasSuffix(text, to+" leads") {
			t.Fatalf("lead: %q, %v", text, err)
		}
	}
	if st, err := fa.peer("b").Status(t.Context()); err != nil || st.Cluster == nil || st.Cluster.Role != api.ClusterVoter && st.Cluster.Role != api.ClusterLeader {
		t.Errorf("b, asked through a: %+v, %v", st, err)
	}
	if _, err := do(a, "lead", "x"); api.AsError(err).Code() != "usage" {
		t.Errorf("a node that is not there: %v", err)
	}
	key := fb.Key()
	fb.Close()
	info, err := filepath.Glob(filepath.Join(root, "b", "*.key"))
	if err != nil || len(info) != 1 {
		t.Fatalf("keys %v, %v", info, err)
	}
	if fi, err := os.Stat(info[0]); err != nil || fi.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", fi.Mode(), err)
	}
	fb, b = startVoter(t, "b", dir("b"), voters, join)
	if !fb.Key().Equal(key) {
		t.Error("b has another key after a restart")
	}
	until(t, "b votes again", func() bool { n, _ := vote(b); return n == 3 })
	fb.Close()
	until(t, "b is not reached", func() bool {
		_, err := do(a, "lead", "b")
		return err != nil
	})
	fc.Close()
	until(t, "a knows no leader", func() bool {
		st, err := a.Status(t.Context())
		return err == nil && st.Cluster.Leader == ""
	})
	begins, done := make(chan bool), make(chan error)
	go func() {
		close(begins)
		_, err := do(a, "lead", "a")
		done <- err
	}()
	<-begins // before b is started, let alone elects
	startVoter(t, "b", dir("b"), voters, join)
	if err := <-done; err != nil {
		t.Errorf("an act that began without a leader: %v", err)
	}
}

// TestNoClusterNoAct: without [cluster] the act is refused, and the mesh has its own stream
// handler.
func TestNoClusterNoAct(t *testing.T) {
	t.Parallel()
	f, l := startNode(t, "a", "0123456789abcdef")
	if _, err := l.Do(t.Context(), api.Request{Act: "cluster", Args: []string{"init"}}); err == nil || !strings.Contains(err.Error(), "is in no cluster") {
		t.Errorf("init: %v", err)
	}
	if st, err := l.Status(t.Context()); err != nil || st.Cluster != nil || f.cluster.Load() != nil {
		t.Errorf("status %+v, %v", st.Cluster, err)
	}
	var bad *api.Error
	if _, err := l.Do(t.Context(), api.Request{Act: "cluster", Args: []string{"lead"}}); !errors.As(err, &bad) || bad.Code() != "usage" {
		t.Errorf("lead of a node that is not there: %v", err)
	}
}

// TestJoinAgain: a successor retries to join until its predecessor has released the port, and then
// the cluster's folder.
func TestJoinAgain(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	kept := filepath.Join(dir, "cluster.json")
	if err := os.Mkdir(kept, 0o700); err != nil { // a folder cannot be read as a file
		t.Fatal(err)
	}
	engine, err := proxy.New(proxy.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer engine.Close()
	f, err := New(Config{Listen: "127.0.0.1:0", Log: slog.New(slog.DiscardHandler),
		Mesh:    mesh.Config{Name: "test", Node: "a", NoMDNS: true, Secrets: []string{"0123456789abcdef"}},
		Cluster: &Cluster{Voters: []string{"a"}, Dir: dir, Lease: 3 * time.Second, Election: time.Second}},
		&api.Local{Engine: engine, By: "ana@a", Node: api.Node{Name: "a"}})
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for range 2 {
		if err := f.Join(t.Context()); err == nil || !strings.Contains(err.Error(), "cluster.json") {
			t.Errorf("without its folder: %v", err)
		}
	}
	if err := os.Remove(kept); err != nil {
		t.Fatal(err)
	}
	if err := f.Join(t.Context()); err != nil {
		t.Error(err)
	}
}
