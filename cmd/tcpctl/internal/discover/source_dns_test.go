package discover

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/discover/discovertest"
	"github.com/tcpctl/tcpctl/proxy"
)

// specOf returns a Spec that asks s.
func specOf(s *discovertest.NameServer, from string) *Spec {
	return &Spec{Name: "discover", From: from, Server: s.Addr, Timeout: 20 * time.Second}
}

// asked asks the source of s once, as a watcher does, and formats the answer: its validity, then
// name, address, weight and priority of each backend.
func asked(t *testing.T, s *Spec) string {
	t.Helper()
	src, err := s.open("db")
	if err != nil {
		t.Fatal(err)
	}
	defer src.close()
	switch src := src.(type) { // a name server of a test answers late on a busy machine, but does answer
	case *dnsSource:
		src.r.try = s.timeout()
	case *srvSource:
		src.r.try = s.timeout()
	}
	return askedOf(t, s, src)
}

func askedOf(t *testing.T, s *Spec, src source) string {
	t.Helper()
	w := &watcher{spec: *s, src: src, check: func(...proxy.BackendConfig) error { return nil }}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	a, err := w.ask(ctx, 0)
	if err != nil {
		return "! " + err.Error()
	}
	valid := "refresh"
	if a.valid != forever {
		valid = a.valid.String()
	}
	words := []string{valid}
	for _, b := range a.backends {
		word := b.Name
		if b.Addr != b.Name {
			word += "=" + b.Addr
		}
		if b.Weight != 1 || b.Priority != 0 {
			word += fmt.Sprintf(",%d,%d", b.Weight, b.Priority)
		}
		words = append(words, word)
	}
	return strings.Join(words, " ")
}

func TestDNS(t *testing.T) {
	t.Parallel()
	s := discovertest.NewNameServer(t)
	s.Set("db.example", "A", "db.example. 20 IN A 10.0.0.12", "db.example. 9 IN A 10.0.0.11", "db.example. 20 IN A 10.0.0.12")
	s.Set("db.example", "AAAA", "db.example. 30 IN AAAA fd00::12", "db.example. 30 IN AAAA ::ffff:10.0.0.11")
	s.Set("v6.example", "AAAA", "v6.example. 5 IN AAAA fd00::1")
	s.Set("zero.example", "A", "zero.example. 0 IN A 10.0.0.1")
	s.Set("huge.example", "A", "huge.example. 2147483647 IN A 10.0.0.1")
	s.Set("none.example", "TXT", `none.example. 5 IN TXT "no address"`)
	s.Set("alias.example", "CNAME", "alias.example. 4 IN CNAME Db.example.")
	s.Set("both.example", "A", "db.example. 20 IN A 10.0.0.12", "both.example. 3 IN CNAME db.example.", "other.example. 1 IN A 10.6.6.6")
	s.Set("loop.example", "CNAME", "loop.example. 1 IN CNAME pool.example.")
	s.Set("pool.example", "CNAME", "pool.example. 1 IN CNAME loop.example.")
	s.Set("bad.example", "A", "bad.example. 5 IN A 0.0.0.0", "bad.example. 5 IN A 224.0.0.1", "bad.example. 5 IN A 10.0.0.9")
	for from, want := range map[string]string{
		"dns:db.example:5432":      "9s 10.0.0.11:5432 10.0.0.12:5432 [fd00::12]:5432",
		"dns:DB.Example.:5432":     "9s 10.0.0.11:5432 10.0.0.12:5432 [fd00::12]:5432",
		"dns:v6.example:1":         "5s [fd00::1]:1",
		"dns:zero.example:1":       "0s 10.0.0.1:1",
		"dns:huge.example:1":       "7s 10.0.0.1:1", // the negative answer for AAAA is valid for 7 s
		"dns:none.example:1":       "7s",
		"dns:alias.example:1":      "4s 10.0.0.11:1 10.0.0.12:1 [fd00::12]:1",
		"dns:both.example:1":       "3s 10.0.0.12:1",
		"dns:missing.example:1":    "7s",
		"dns:bad.example:1":        "5s 10.0.0.9:1",
		"dns:10.1.2.3:1":           "refresh 10.1.2.3:1",
		"dns:[fd00::7]:1":          "refresh [fd00::7]:1",
		"dns:loop.example:1":       "! loop.example. has a chain of more than 8 aliases",
		"dns:pool.example:5432000": `! "pool.example:5432000" is not HOST:PORT`,
	} {
		spec := specOf(s, from)
		if err := spec.Validate(); err != nil {
			if got := "! " + err.Error(); got != want {
				t.Errorf("%s: %s, want %s", from, got, want)
			}
			continue
		}
		if got := asked(t, spec); got != want {
			t.Errorf("%s: %s, want %s", from, got, want)
		}
	}
}

func TestDNSTruncatedAnswersComeByTCP(t *testing.T) {
	t.Parallel()
	s := discovertest.NewNameServer(t)
	var lines []string
	for i := range 300 {
		lines = append(lines, fmt.Sprintf("big.example. 20 IN A 10.1.%d.%d", i/200, i%200))
	}
	s.Set("big.example", "A", lines...)
	s.Change(func(s *discovertest.NameServer) { s.Cut = true })
	if got := asked(t, specOf(s, "dns:big.example:1")); strings.Count(got, ":1") != 300 {
		t.Errorf("got %d backends: %.200s", strings.Count(got, ":1"), got)
	}
	if q := s.Questions(); !slices.Contains(q, "udp big.example A") || !slices.Contains(q, "tcp big.example A") {
		t.Errorf("asked was %v", q)
	}
	lines = nil
	for i := range 1200 {
		lines = append(lines, fmt.Sprintf("big.example. 20 IN A 10.1.%d.%d", i/200, i%200))
	}
	s.Set("big.example", "A", lines...)
	if got, want := asked(t, specOf(s, "dns:big.example:1")), "! the answer has 1200 backends: at most 1000 can be used"; got != want {
		t.Errorf("got %.200s, want %s", got, want)
	}
}

// Anything but an answer must be an error: an empty set would end a service.
func TestRule40cFailuresAreNotAnswers(t *testing.T) {
	t.Parallel()
	for name, how := range map[string]func(*discovertest.NameServer){
		"SERVFAIL":                          func(s *discovertest.NameServer) { s.Rcode = dns.RcodeServerFailure },
		"REFUSED":                           func(s *discovertest.NameServer) { s.Rcode = dns.RcodeRefused },
		"no answer within ":                 func(s *discovertest.NameServer) { s.Silent = true },
		"dns: ":                             func(s *discovertest.NameServer) { s.Garbage = []byte("this is not DNS at all, it is a sentence") },
		"the answer is to another question": func(s *discovertest.NameServer) { s.Garbage = []byte{} },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := discovertest.NewNameServer(t)
			s.Set("db.example", "A", "db.example. 20 IN A 10.0.0.12")
			s.Change(how)
			if s.Garbage != nil && len(s.Garbage) == 0 {
				other, _ := new(dns.Msg).SetQuestion("evil.example.", dns.TypeA).Pack()
				s.Change(func(s *discovertest.NameServer) { s.Garbage = nil })
				src := &mirror{other}
				addr := src.listen(t)
				spec := specOf(s, "dns:db.example:1")
				spec.Server = addr
				if got := asked(t, spec); !strings.HasPrefix(got, "! ") || !strings.Contains(got, name) {
					t.Errorf("got %s", got)
				}
				return
			}
			spec := specOf(s, "dns:db.example:1")
			src, err := newDNSSource(spec)
			if err != nil {
				t.Fatal(err)
			}
			if s.Silent {
				src.r.try = 500 * time.Millisecond
			}
			if got := askedOf(t, spec, src); !strings.HasPrefix(got, "! ") || !strings.Contains(got, name) {
				t.Errorf("got %s", got)
			}
			for end := time.Now().Add(time.Minute); len(s.Questions()) < 2; time.Sleep(time.Millisecond) { // the silent one may still read the second
				if time.Now().After(end) {
					t.Fatalf("it was asked once: %v", s.Questions())
				}
			}
		})
	}
}

// mirror answers each query with its ID and the rest of a message.
type mirror struct{ message []byte }

func (m *mirror) listen(t *testing.T) string {
	c, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		b := make([]byte, 1500)
		for {
			n, from, err := c.ReadFrom(b)
			if err != nil {
				return
			}
			if n > 2 {
				answer := slices.Concat(b[:2], m.message[2:])
				answer[2] |= 0x80
				c.WriteTo(answer, from)
			}
		}
	}()
	t.Cleanup(func() { c.Close(); <-done })
	return c.LocalAddr().String()
}

// If one half of a query fails, all of it fails: otherwise the addresses of that family would look
// removed.
func TestDNSHalfAnAnswerIsNone(t *testing.T) {
	t.Parallel()
	s := discovertest.NewNameServer(t)
	s.Set("db.example", "A", "db.example. 20 IN A 10.0.0.12")
	s.Set("db.example", "AAAA", "db.example. 20 IN CNAME gone.example.")
	r := newResolver(specOf(s, "dns:db.example:1"))
	if _, _, err := r.addresses(t.Context(), "db.example"); err != nil {
		t.Fatal(err) // "no such name" is an answer
	}
	s.Set("db.example", "AAAA", "db.example. 20 IN CNAME db.example.")
	s.Set("loop.example", "A", "loop.example. 5 IN A 10.0.0.1")
	s.Set("loop.example", "AAAA", "loop.example. 1 IN CNAME pool.example.")
	s.Set("pool.example", "AAAA", "pool.example. 1 IN CNAME loop.example.")
	if all, _, err := r.addresses(t.Context(), "loop.example"); err == nil {
		t.Errorf("IPv6 failed, and the answer is %v", all)
	}
}

// With no server listening, the error text is the same each time.
func TestDNSServerIsGone(t *testing.T) {
	t.Parallel()
	c, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := c.LocalAddr().String()
	c.Close()
	spec := &Spec{From: "dns:db.example:1", Server: addr}
	if got, want := asked(t, spec), "! "+addr+" asked for A of db.example: connection refused"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestDNSOldAndOddServers(t *testing.T) {
	t.Parallel()
	s := discovertest.NewNameServer(t)
	s.Set("db.example", "A", "db.example. 20 IN A 10.0.0.12")
	s.Change(func(s *discovertest.NameServer) { s.NoEDNS, s.WrongID = true, true })
	if got, want := asked(t, specOf(s, "dns:db.example:1")), "7s 10.0.0.12:1"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// The hosts file and names without a dot are resolved by the system, with the search list.
func TestDNSTheSystemsNames(t *testing.T) {
	t.Parallel()
	s := discovertest.NewNameServer(t)
	s.Set("db.prod.corp.example", "A", "db.prod.corp.example. 20 IN A 10.0.0.1")
	s.Set("whole.example", "A", "whole.example. 20 IN A 10.0.0.2")
	var plain []string
	r := &resolver{
		conf: func() (*dns.ClientConfig, error) {
			host, port, _ := net.SplitHostPort(s.Addr)
			return &dns.ClientConfig{Servers: []string{host}, Port: port, Search: []string{"nowhere.example", "corp.example"}, Ndots: 2}, nil
		},
		local: func(_ context.Context, host string) ([]netip.Addr, error) {
			if host == "pinned.example" {
				return []netip.Addr{netip.MustParseAddr("10.9.9.9")}, nil
			}
			return nil, errors.New("not there")
		},
		names: func(_ context.Context, host string) ([]netip.Addr, error) {
			plain = append(plain, host)
			if host == "missing" {
				return nil, &net.DNSError{IsNotFound: true}
			}
			return []netip.Addr{netip.MustParseAddr("::ffff:10.0.0.3")}, nil
		},
	}
	for host, want := range map[string]string{"db.prod": "[10.0.0.1]", "whole.example.": "[10.0.0.2]", "whole.example": "[10.0.0.2]",
		"pinned.example": "[10.9.9.9]", "db": "[10.0.0.3]", "missing": "[]"} {
		all, _, err := r.addresses(t.Context(), host)
		if got := fmt.Sprint(all); err != nil || got != want {
			t.Errorf("%s: %s, %v; want %s", host, got, err, want)
		}
	}
	slices.Sort(plain)
	if got := strings.Join(plain, " "); got != "db missing" {
		t.Errorf("the system was asked for %q", got)
	}
	r.conf = func() (*dns.ClientConfig, error) { return nil, errors.New("no such file") }
	if all, _, err := r.addresses(t.Context(), "db.example"); err != nil || len(all) != 1 {
		t.Errorf("without resolv.conf: %v, %v", all, err)
	}
	if all, err := hostsFile(t.Context(), "localhost"); err != nil || len(all) == 0 {
		t.Errorf("localhost is not in the hosts file: %v", err)
	}
	if all, err := hostsFile(t.Context(), "not-in-the-file.example"); err == nil {
		t.Errorf("a name from nowhere has %v", all)
	}
}

func TestSRV(t *testing.T) {
	t.Parallel()
	s := discovertest.NewNameServer(t)
	const name = "_db._tcp.example"
	s.Set(name, "SRV",
		name+". 60 IN SRV 0 5 5432 a.example.", name+". 60 IN SRV 0 0 5432 b.example.",
		name+". 60 IN SRV 10 7 5433 A.example.", name+". 60 IN SRV 0 9 5432 a.example.",
		name+". 60 IN SRV 0 5 5432 gone.example.")
	s.Set("a.example", "A", "a.example. 8 IN A 10.0.0.3", "a.example. 8 IN A 10.0.0.2")
	s.Set("b.example", "AAAA", "b.example. 8 IN AAAA fd00::2")
	spec := specOf(s, "srv:"+name)
	src, err := spec.open("db")
	if err != nil {
		t.Fatal(err)
	}
	defer src.close()
	expect := func(want string) {
		t.Helper()
		if got := askedOf(t, spec, src); got != want {
			t.Errorf("got\n%s, want\n%s", got, want)
		}
	}
	expect("7s a.example:5432=10.0.0.2:5432,5,0 a.example:5433=10.0.0.2:5433,7,10 b.example:5432=[fd00::2]:5432")
	s.Set("a.example", "A", "a.example. 8 IN A 10.0.0.1", "a.example. 8 IN A 10.0.0.2") // a lower address appears: the backend keeps its own
	expect("7s a.example:5432=10.0.0.2:5432,5,0 a.example:5433=10.0.0.2:5433,7,10 b.example:5432=[fd00::2]:5432")
	s.Set("a.example", "A", "a.example. 8 IN A 10.0.0.1")
	expect("7s a.example:5432=10.0.0.1:5432,5,0 a.example:5433=10.0.0.1:5433,7,10 b.example:5432=[fd00::2]:5432")
	s.Set(name, "SRV", name+". 60 IN SRV 0 0 0 .")
	expect("1m0s")
	s.Change(func(s *discovertest.NameServer) { s.Rcode = dns.RcodeServerFailure })
	if got := askedOf(t, spec, src); !strings.HasPrefix(got, "! ") || !strings.Contains(got, "asked for SRV of _db._tcp.example: SERVFAIL") {
		t.Errorf("got %s", got)
	}
}
