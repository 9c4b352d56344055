package mesh_test

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tcpctl/tcpctl/mesh"
	"github.com/tcpctl/tcpctl/mesh/meshtest"
)

func TestListenAddresses(t *testing.T) {
	for _, c := range []struct{ addr, want string }{
		{"", ""}, {"0", ""}, {"0.0.0.0:0", ""}, {":0", ""}, {"[::]:0", ""},
		{"127.0.0.1", "127.0.0.1"}, {"127.0.0.1:0", "127.0.0.1"}, {"localhost", ""}, {"::1", "::1"},
	} {
		n, err := mesh.New(mesh.Config{Name: "m", NoMDNS: true})
		if err != nil {
			t.Fatal(err)
		}
		if got := n.Addr(); got.Port != 0 {
			t.Errorf("before Listen: %v", got)
		}
		err = n.Listen(t.Context(), c.addr)
		if strings.Contains(c.addr, "::") && err != nil {
			t.Logf("no IPv6 here: %v", err)
			continue
		}
		if err != nil {
			t.Errorf("%q: %v", c.addr, err)
			continue
		}
		got := n.Addr()
		if got.Port == 0 || len(got.Addrs) == 0 || c.want != "" && got.Addrs[0].String() != c.want {
			t.Errorf("%q: %v", c.addr, got)
		}
		if c.want == "" && !strings.Contains(got.String(), "127.0.0.1:") && !strings.Contains(got.String(), "[::1]:") {
			t.Errorf("%q: %v: want loopback among them", c.addr, got)
		}
		if err := n.Listen(t.Context(), c.addr); err == nil {
			t.Error("it listens twice")
		}
		n.Close()
	}
}

func TestBadConfig(t *testing.T) {
	for what, cfg := range map[string]mesh.Config{
		"no name":       {},
		"control bytes": {Name: "\x1b[2J"},
		"long name":     {Name: strings.Repeat("x", 65)},
		"short secret":  {Name: "m", Secrets: []string{"password"}},
		"join no port":  {Name: "m", Join: []string{"10.0.0.1"}},
		"id with space": {Name: "m", ID: "a b"},
		"short key":     {Name: "m", Key: []byte("x")},
		"limits":        {Name: "m", Suspect: 5 * time.Second, Dead: time.Second},
	} {
		if _, err := mesh.New(cfg); err == nil || !strings.HasPrefix(err.Error(), "mesh: ") {
			t.Errorf("%s: error %v", what, err)
		}
	}
}

func TestJoinedPeersTellOfEachOther(t *testing.T) {
	hub := start(t, mesh.Config{Node: "hub"})
	a := start(t, mesh.Config{Node: "a", Join: []string{hub.addr()}})
	b := start(t, mesh.Config{Node: "b", Join: []string{fmt.Sprintf("localhost:%d", hub.Addr().Port)}})
	a.awaitAlive("b")
	b.awaitAlive("a")
	if p := a.awaitAlive("hub"); p.FoundBy != "join" {
		t.Errorf("hub was found by %q: want join", p.FoundBy)
	}
	if p := b.awaitAlive("hub"); p.FoundBy != "dns" {
		t.Errorf("hub was found by %q: want dns", p.FoundBy)
	}
	for _, s := range a.Sources() {
		if s.Name == "join" && s.Addr == hub.addr() && s.Found == 1 && s.Warning == "" {
			return
		}
	}
	t.Errorf("sources %+v", a.Sources())
}

func TestJoinIsTriedForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := meshtest.New()
		defer network.Close()
		late, early := network.Host("late"), network.Host("early")
		cfg := early.Config(mesh.Config{Name: "m", Join: []string{"10.77.0.1:7000"}})
		cfg.Sources = nil // nothing but the join address
		a := start(t, cfg)
		defer a.stop()
		time.Sleep(time.Hour)
		if s := a.Sources(); len(s) != 1 || s[0].Warning == "" {
			t.Errorf("sources %+v: want a warning", s)
		}
		cfg = late.Config(mesh.Config{Name: "m"})
		cfg.Sources = nil
		b := start(t, cfg)
		defer b.stop()
		came := time.Now()
		a.awaitAlive("late")
		t.Logf("connected after %v", time.Since(came))
		await(t, "the warning goes", func() bool { return a.Sources()[0].Warning == "" })
	})
}

func TestPeersAreRemembered(t *testing.T) {
	t.Parallel()
	cache := filepath.Join(t.TempDir(), "peers.json")
	a := start(t, mesh.Config{Name: "m", Node: "a"})
	b := start(t, mesh.Config{Name: "m", Node: "b", CacheFile: cache, Join: []string{a.addr()}})
	b.awaitAlive("a")
	b.stop()
	again := start(t, mesh.Config{Name: "m", Node: "b", CacheFile: cache})
	if p := again.awaitAlive("a"); p.FoundBy != "memory" {
		t.Errorf("found by %q: want memory", p.FoundBy)
	}
	again.stop()
	if err := os.WriteFile(cache, []byte("[{"), 0o600); err != nil {
		t.Fatal(err)
	}
	damaged := start(t, mesh.Config{Name: "m", Node: "b", CacheFile: cache})
	await(t, "a damaged file is a warning", func() bool {
		s := damaged.Sources()
		return len(s) == 1 && strings.Contains(s[0].Warning, "cache file")
	})
}

// failing is a source that cannot start, and then one that finds.
type failing struct{ tries chan int }

func (f failing) Name() string { return "failing" }
func (f failing) Run(ctx context.Context, self mesh.Self, r mesh.Reporter) error {
	if try := <-f.tries; try < 3 {
		f.tries <- try + 1
		return fmt.Errorf("try %d", try)
	}
	r.Warn("")
	r.Found(mesh.Sighting{Addrs: []netip.AddrPort{netip.MustParseAddrPort("10.77.0.1:7000")}}) // without an id
	<-ctx.Done()
	return nil
}

func TestSourceThatFailsIsAWarning(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := meshtest.New()
		defer network.Close()
		hub := start(t, network.Host("hub").Config(mesh.Config{}))
		defer hub.stop()
		cfg := network.Host("a").Config(mesh.Config{})
		f := failing{make(chan int, 1)}
		f.tries <- 1
		cfg.Sources = []mesh.Source{f}
		a := start(t, cfg)
		defer a.stop()
		await(t, "a warning", func() bool { return len(a.Sources()) == 1 && a.Sources()[0].Warning == "try 2" })
		await(t, "it recovers", func() bool { return a.Sources()[0].Warning == "" })
		if p := a.awaitAlive("hub"); p.FoundBy != "failing" {
			t.Errorf("found by %q", p.FoundBy)
		}
	})
}
