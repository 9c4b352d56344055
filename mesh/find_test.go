package mesh_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tcpctl/tcpctl/mesh"
	"github.com/tcpctl/tcpctl/mesh/meshinfo"
	"github.com/tcpctl/tcpctl/mesh/meshtest"
)

func TestListenAddresses(t *testing.T) {
	for _, c := range []struct{ addr, want string }{
		{"", ""}, {"0", ""}, {"0.0.0.0:0", ""}, {":0", ""}, {"[::]:0", ""},
		{"127.0.0.1", "127.0.0.1"}, {"127.0.0.1:0", "127.0.0.1"}, {"localhost", ""}, {"::1", "::1"},
		{"[::1]", "::1"}, {"[::1]:0", "::1"}, {"::1%lo", "::1"}, {"[::1%lo]", "::1"}, {"[::1%lo]:0", "::1"},
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
			if strings.Contains(err.Error(), "colons") {
				t.Errorf("%q: %v", c.addr, err)
			}
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
			t.Error("a second Listen succeeds")
		}
		n.Close()
	}
}

func TestBadConfig(t *testing.T) {
	long := strings.Repeat("x", 100_000)
	for what, c := range map[string]struct {
		cfg  mesh.Config
		says string
	}{
		"no name":         {mesh.Config{}, "name"},
		"control bytes":   {mesh.Config{Name: "\x1b[2J"}, "printable"},
		"long name":       {mesh.Config{Name: long}, "64"},
		"long node":       {mesh.Config{Name: "m", Node: long}, "64"},
		"long id":         {mesh.Config{Name: "m", ID: long}, "64"},
		"long version":    {mesh.Config{Name: "m", Version: long}, "64"},
		"short secret":    {mesh.Config{Name: "m", Secrets: []string{"password"}}, "16"},
		"join no port":    {mesh.Config{Name: "m", Join: []string{"10.0.0.1"}}, "has no port"},
		"join IPv6":       {mesh.Config{Name: "m", Join: []string{"fd00::1"}}, "in brackets"},
		"join port":       {mesh.Config{Name: "m", Join: []string{"a:99999"}}, "1 to 65535"},
		"join long":       {mesh.Config{Name: "m", Join: []string{long}}, "host:port"},
		"id with space":   {mesh.Config{Name: "m", ID: "a b"}, "spaces"},
		"short key":       {mesh.Config{Name: "m", Key: []byte("x")}, "64"},
		"limits":          {mesh.Config{Name: "m", Suspect: 5 * time.Second, Dead: time.Second}, "Dead 1s"},
		"equal limits":    {mesh.Config{Name: "m", Suspect: 5 * time.Second, Dead: 5 * time.Second}, "Suspect < Dead"},
		"1 ns":            {mesh.Config{Name: "m", Heartbeat: 1}, "Heartbeat is 1ns"},
		"huge":            {mesh.Config{Name: "m", Heartbeat: 1 << 60, Suspect: 1 << 61, Dead: 1 << 62}, "at most"},
		"peers":           {mesh.Config{Name: "m", MaxPeers: -1}, "MaxPeers is -1"},
		"handshake":       {mesh.Config{Name: "m", HandshakeTimeout: -1}, "HandshakeTimeout is -1ns"},
		"full up to":      {mesh.Config{Name: "m", FullUpTo: -1}, "FullUpTo is -1"},
		"a source of nil": {mesh.Config{Name: "m", Sources: []mesh.Source{mesh.MDNS(), nil}}, "source 2"},
	} {
		if _, err := mesh.New(c.cfg); err == nil || !strings.HasPrefix(err.Error(), "mesh: ") || !strings.Contains(err.Error(), c.says) || len(err.Error()) > 300 {
			t.Errorf("%s: error %.400v", what, err)
		}
	}
}

// A program may change the slices of its Config afterwards, for example wipe a secret, without affecting the node.
func TestConfigIsCopied(t *testing.T) {
	secret := mesh.NewSecret()
	a := start(t, mesh.Config{Node: "a", Secrets: []string{secret}})
	secrets, join := []string{secret}, []string{a.addr()}
	b, err := mesh.New(mesh.Config{Name: t.Name(), Node: "b", NoMDNS: true, Secrets: secrets, Join: join})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	secrets[0], join[0] = "", "127.0.0.1:1"
	if err := b.Listen(t.Context(), "127.0.0.1"); err != nil {
		t.Fatal(err)
	}
	a.awaitAlive("b")
}

// stuckNetwork resolves no address: Listen blocks until ctx ends.
type stuckNetwork struct {
	mesh.Network
	looksUp chan struct{}
}

func (s stuckNetwork) Listen(ctx context.Context, _ string) (net.Listener, error) {
	close(s.looksUp)
	<-ctx.Done()
	return nil, ctx.Err()
}

// TestCloseWhileListenLooksUpAName: neither Close nor the methods that show the node's state wait for DNS.
func TestCloseWhileListenLooksUpAName(t *testing.T) {
	stuck := stuckNetwork{looksUp: make(chan struct{})}
	n, err := mesh.New(mesh.Config{Name: "m", Network: stuck})
	if err != nil {
		t.Fatal(err)
	}
	listened := make(chan error, 1)
	go func() { listened <- n.Listen(context.Background(), "slow.example") }()
	<-stuck.looksUp
	n.Status()
	n.Close()
	if err := <-listened; !errors.Is(err, mesh.ErrClosed) {
		t.Error(err)
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
	bubble(t, func(t *testing.T) {
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

// TestCacheIsWrittenOnceThatIsPossible: a failed write is retried without waiting for another change.
func TestCacheIsWrittenOnceThatIsPossible(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "later")
	bubble(t, func(t *testing.T) {
		net := meshtest.New()
		defer net.Close()
		a := start(t, mesh.Config{Node: "a", Network: net.Host("a")})
		defer a.stop()
		// No source may find a repeatedly: each sighting would be a change.
		b := start(t, mesh.Config{Node: "b", CacheFile: filepath.Join(dir, "peers.json"), Network: net.Host("b"), Join: []string{a.Addr().String()}})
		defer b.stop()
		b.awaitAlive("a")
		cache := func() meshinfo.Source { all := b.Sources(); return all[len(all)-1] }
		await(t, "a warning", func() bool { return cache().Warning != "" })
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		await(t, "the warning goes", func() bool { return cache().Warning == "" })
		if _, err := os.Stat(filepath.Join(dir, "peers.json")); err != nil {
			t.Error(err)
		}
	})
}

// failing is a source whose first Run fails, and which then finds a node.
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
	bubble(t, func(t *testing.T) {
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
