package main

import (
	"bufio"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tcpctl/tcpctl/proxy/proxytest"
)

// shuffled is a set of addresses that reloads assign to services at random.
type shuffled struct {
	t        *testing.T
	in       *configured
	addrs    []string          // "127.0.0.1:PORT", or "unix:PATH"
	backends map[string]string // their addresses, by name
	stop     chan struct{}
	clients  sync.WaitGroup
	served   atomic.Int64
}

// TestReloadsOfAllKinds moves addresses between services at random, with other names, wildcard
// addresses and runners, and sometimes truncates the file, while clients connect to all addresses
// and some stay: none is refused, none loses a line, and after each reload every address belongs to
// the service that the file names. TCPCTL_RELOADS=200 runs it longer.
func TestReloadsOfAllKinds(t *testing.T) {
	t.Parallel()
	times, err := strconv.Atoi(os.Getenv("TCPCTL_RELOADS"))
	if err != nil {
		times = 25
	}
	s := &shuffled{t: t, backends: map[string]string{}, stop: make(chan struct{})}
	for _, name := range []string{"a", "b"} {
		b := startBackend(t, name)
		s.backends[name] = b.addr
	}
	for range 3 {
		s.addrs = append(s.addrs, proxytest.FreePort(t))
	}
	s.addrs = append(s.addrs, "unix:"+filepath.Join(t.TempDir(), "s"))
	text, want := s.deal()
	s.in = runConfigured(t, text)
	s.answer(want)
	for _, addr := range s.addrs {
		s.clients.Go(func() { s.come(addr) })
		s.clients.Go(func() { s.come(addr) })
		s.clients.Go(func() { s.stay(addr) })
	}
	defer func() {
		close(s.stop)
		s.clients.Wait()
		t.Logf("%d reloads, %d clients served", times, s.served.Load())
	}()
	for n := range times {
		if n%8 == 7 {
			write(t, s.in.path, text[:rand.IntN(40)])
			if out, status := s.in.try("reload"); status != 2 {
				t.Fatalf("a file that was cut short: status %d\n%s", status, out)
			}
			s.answer(want)
		}
		text, want = s.deal()
		write(t, s.in.path, text)
		if out, status := s.in.try("reload"); status != 0 {
			t.Fatalf("reload %d: status %d\n%s\n%s", n, status, out, text)
		}
		s.answer(want)
		if t.Failed() {
			t.Fatalf("reload %d was to\n%s", n, text)
		}
	}
}

// deal assigns each address to a service at random, and returns which backend answers there from
// now on.
func (s *shuffled) deal() (text string, want map[string]string) {
	want = map[string]string{}
	names := []string{"one", "two", "three", "four", "five"}
	rand.Shuffle(len(names), func(i, j int) { names[i], names[j] = names[j], names[i] })
	hands := make([][]string, 1+rand.IntN(len(s.addrs)))
	for i, addr := range s.addrs {
		n := rand.IntN(len(hands))
		if i < len(hands) {
			n = i // each service gets at least one
		}
		hands[n] = append(hands[n], addr)
	}
	for n, hand := range hands {
		backend := []string{"a", "b"}[rand.IntN(2)]
		var listen []string
		for _, addr := range hand {
			want[addr] = backend
			if rand.IntN(2) == 0 {
				addr = strings.Replace(addr, "127.0.0.1:", []string{"0.0.0.0:", "[::]:", ":"}[rand.IntN(3)], 1)
			}
			listen = append(listen, strconv.Quote(addr))
		}
		text += fmt.Sprintf("[services.%s]\nlisten = [%s]\nbackends = [{ name = %q, addr = %q }]\nrelay = %q\nbacklog = %d\nlisten_mode = %q\ncheck.interval = \"100ms\"\n",
			names[n], strings.Join(listen, ", "), backend, s.backends[backend],
			[]string{"auto", "stream", "loop"}[rand.IntN(3)], []int{0, 128, 256}[rand.IntN(3)], []string{"0600", "0660"}[rand.IntN(2)])
	}
	return text, want
}

// answer checks which backend answers at each address.
func (s *shuffled) answer(want map[string]string) {
	s.t.Helper()
	for addr, name := range want {
		if got, err := s.ask(addr, "who is there?"); err != nil || got != name {
			s.t.Errorf("at %s: %q, %v, want %s", addr, got, err, name)
		}
	}
}

// ask connects, sends one line, and returns the name of the backend.
func (s *shuffled) ask(addr, line string) (name string, err error) {
	c, err := dialAny(addr)
	if err != nil {
		return "", err
	}
	defer c.Close()
	return c.talk(line)
}

// lineConn is a client of a TCP or Unix address.
type lineConn struct {
	net.Conn
	r *bufio.Reader
}

func dialAny(addr string) (*lineConn, error) {
	network := "tcp"
	if path, ok := strings.CutPrefix(addr, "unix:"); ok {
		network, addr = "unix", path
	}
	c, err := net.DialTimeout(network, addr, patience)
	if err != nil {
		return nil, err
	}
	return &lineConn{c, bufio.NewReader(c)}, nil
}

// talk sends a line, and returns the name of the backend that repeats it.
func (c *lineConn) talk(line string) (name string, err error) {
	c.SetDeadline(time.Now().Add(patience))
	if _, err := fmt.Fprintln(c, line); err != nil {
		return "", err
	}
	text, err := c.r.ReadString('\n')
	name, got, _ := strings.Cut(strings.TrimSuffix(text, "\n"), ": ")
	if err == nil && got != line {
		err = fmt.Errorf("read %q, sent %q", got, line)
	}
	return name, err
}

// come connects and asks again and again.
func (s *shuffled) come(addr string) {
	for n := 0; ; n++ {
		select {
		case <-s.stop:
			return
		case <-time.After(slowPace):
		}
		if _, err := s.ask(addr, fmt.Sprint("client ", n)); err != nil {
			s.t.Errorf("%s: client %d: %v", addr, n, err)
			return
		}
		s.served.Add(1)
	}
}

// stay keeps talking to its first backend, whatever becomes of the service.
func (s *shuffled) stay(addr string) {
	c, err := dialAny(addr)
	if err != nil {
		s.t.Errorf("%s: %v", addr, err)
		return
	}
	defer c.Close()
	first := ""
	for n := 0; ; n++ {
		name, err := c.talk(fmt.Sprint("line ", n))
		if first == "" {
			first = name
		}
		if err != nil || name != first {
			s.t.Errorf("%s: line %d: %q, %v; it was with %s", addr, n, name, err, first)
			return
		}
		select {
		case <-s.stop:
			return
		case <-time.After(slowPace):
		}
	}
}
