package main

import (
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/proxy/proxytest"
)

// TestSoak runs sessions of every kind through services of every kind, while servers die and
// return, an operator acts, the configuration is reloaded and the process is replaced; the end of
// each session as both peers saw it is compared with its record. TCPCTL_SOAK=30m runs it longer,
// TCPCTL_SOAK_SEED=N repeats a run as far as possible.
func TestSoak(t *testing.T) {
	t.Parallel()
	needs(t, "openssl")
	long, err := time.ParseDuration(os.Getenv("TCPCTL_SOAK"))
	if err != nil {
		long = 3 * time.Second
	}
	seed, err := strconv.ParseUint(os.Getenv("TCPCTL_SOAK_SEED"), 10, 64)
	if err != nil {
		seed = uint64(time.Now().UnixNano())
	}
	t.Logf("seed %d", seed)
	s := &soak{t: t, waiting: map[uint64]chan soakSaw{}, records: map[string]chan proxy.Record{}}
	var servers []*soakServer
	for range 3 {
		b := &soakServer{soak: s, addr: proxytest.FreePort(t), live: map[net.Conn]bool{}}
		if err := b.start(); err != nil {
			t.Fatal(err)
		}
		defer b.die()
		servers = append(servers, b)
	}
	in, services, access := runSoaked(t, servers)
	stop, over := make(chan struct{}), time.Now().Add(long)
	goesOn := func() bool { // a busy machine gets more time
		return time.Now().Before(over) || s.done.Load() < 100 && !t.Failed() && time.Since(over) < 5*patience
	}
	var following, all sync.WaitGroup
	following.Go(func() { s.follow(access, stop) })
	ended := sync.OnceFunc(func() {
		all.Wait()
		close(stop)
		following.Wait()
	})
	defer ended() // also where an act fails: an error after the test's end would end all tests
	for n := range 12 {
		all.Go(func() {
			for r := rand.New(rand.NewPCG(seed, uint64(n))); goesOn(); {
				s.visit(services[r.IntN(len(services))], r)
			}
		})
	}
	for _, svc := range services {
		if svc.kind == "tls" || svc.kind == "wss" {
			all.Go(func() {
				for r := rand.New(rand.NewPCG(seed, 77)); goesOn(); time.Sleep(50 * time.Millisecond) {
					s.disturb(svc, r)
				}
			})
		}
	}
	acts := &soakActs{running: in, t: t, r: rand.New(rand.NewPCG(seed, 99)), services: services, servers: servers}
	acts.until(goesOn)
	ended()
	in.ends()
	t.Logf("%d sessions followed their script, %d were ended by another side, %d differ; %d changed keys, %d odd handshakes; %s", s.done.Load(), s.ended.Load(), s.differ.Load(), s.updated.Load(), s.disturbed.Load(), acts)
	if s.done.Load() < 100 {
		t.Errorf("only %d sessions", s.done.Load())
	}
}

// runSoaked starts an instance with services of every kind.
func runSoaked(t *testing.T, servers []*soakServer) (in *configured, services []soakService, access string) {
	dir, err := os.MkdirTemp("", "tcpctl") // short, as a socket's path must be
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	certificate(t, dir, "soak")
	cert := fmt.Sprintf("cert = \"%s/desk.pem\", key = \"%[1]s/desk.key\"", dir)
	list := ""
	for n, b := range servers {
		list += fmt.Sprintf("{ name = \"s%d\", addr = %q },", n, b.addr)
	}
	access = filepath.Join(dir, "access")
	text := fmt.Sprintf("[log]\naccess = %q\n", access)
	for _, svc := range []struct{ name, kind, config string }{
		{"loop", "", `relay = "loop"`},
		{"stream", "", `relay = "stream"`},
		{"tls", "tls", "tls = { " + cert + " }"},
		{"tlsstream", "tls", "relay = \"stream\"\ntls = { " + cert + " }"},
		{"proxied", "proxy", "accept_proxy = true\ntrusted_proxies = [\"127.0.0.0/8\"]"},
		{"sending", "", "send_proxy = 2"},
		{"slow", "", `rate_limit = "4MiB/s"`},
		{"locked", "", "lock = { slots = 8 }"},
		{"balanced", "", `balance = "leastconn"`},
		{"unix", "unix", `relay = "loop"`},
		{"unixstream", "unix", `relay = "stream"`},
		{"wss", "wss", "ws = {}\ntls = { " + cert + " }"},
	} {
		listen, to := "127.0.0.1:0", soakService{name: svc.name, kind: svc.kind}
		if svc.kind == "unix" {
			to.addr, to.alone = filepath.Join(dir, svc.name), new(sync.Mutex)
			listen = "unix:" + to.addr
		}
		services = append(services, to)
		text += fmt.Sprintf("[services.%s]\nlisten = %q\nbackends = [%s]\n%s\ncheck = { interval = \"200ms\", timeout = \"1s\", rise = 1 }\n", svc.name, listen, list, svc.config)
	}
	in = runConfigured(t, text)
	in.until("all are up", func(*proxy.ServiceInfo) bool {
		for _, svc := range in.status().Services {
			for _, b := range svc.Backends {
				if b.State != proxy.StateUp {
					return false
				}
			}
		}
		return true
	})
	for _, svc := range in.status().Services {
		for i := range services {
			if services[i].name == svc.Name && services[i].addr == "" {
				services[i].addr = svc.Listen[0]
			}
		}
	}
	return in, services, access
}

// soakActs acts on the instance while sessions run.
type soakActs struct {
	running  *configured
	t        *testing.T
	r        *rand.Rand
	services []soakService
	servers  []*soakServer
	acts     int
	upgrades int
}

func (a *soakActs) String() string {
	return fmt.Sprintf("%d acts, %d upgrades", a.acts, a.upgrades)
}

// upgradeEvery is how often the process is replaced.
const upgradeEvery = 20 * time.Second

func (a *soakActs) until(goesOn func() bool) {
	in, text := a.running, readFile(a.t, a.running.path)
	pid := in.cmd.Process.Pid
	for upgrade := time.Now().Add(time.Second); goesOn(); {
		if a.acts++; time.Now().After(upgrade) {
			in.tcpctl("upgrade")
			pid = in.follow(pid)
			a.upgrades++
			upgrade = time.Now().Add(upgradeEvery)
		}
		a.act(text)
		time.Sleep(100 * time.Millisecond)
	}
}

func (a *soakActs) act(text string) {
	in, svc := a.running, a.services[a.r.IntN(len(a.services))].name
	backend := fmt.Sprintf("%s/s%d", svc, a.r.IntN(len(a.servers)))
	switch a.r.IntN(7) {
	case 0:
		in.tcpctl("drain", backend, "--force")
		in.tcpctl("ready", backend)
	case 1:
		in.tcpctl("pause", svc, "--then", "keep", "--limit", "100ms", "--force")
		time.Sleep(100 * time.Millisecond)
		in.try("resume", svc)
	case 2:
		in.try("weight", backend, fmt.Sprint(1+a.r.IntN(5)))
	case 3:
		in.try("kick", "--service", svc, "--rate", "50/s")
	case 4:
		write(a.t, in.path, text+fmt.Sprintf("[services.more%d]\nlisten = \"127.0.0.1:0\"\nbackends = [%q]\n", a.r.IntN(3), a.servers[0].addr))
		in.tcpctl("reload")
	case 5:
		write(a.t, in.path, text)
		in.tcpctl("reload")
	case 6:
		b := a.servers[a.r.IntN(len(a.servers))]
		b.die()
		time.Sleep(time.Duration(a.r.IntN(400)) * time.Millisecond)
		if err := b.start(); err != nil {
			a.t.Fatal(err)
		}
	}
}
