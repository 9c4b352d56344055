// Package discovertest has sources of backends for tests: a name server and a Consul agent.
package discovertest

import (
	"net"
	"strings"
	"sync"
	"testing"

	"github.com/miekg/dns"
)

// NameServer is a name server of the test's own, by UDP and TCP on one port.
type NameServer struct {
	Addr string

	mu      sync.Mutex
	records map[string][]string // lines of a zone file, by "name TYPE"
	asked   []string            // "udp name TYPE"

	// How it answers, to be changed within Change.
	Rcode   int    // for everything; 0: as the records say
	Cut     bool   // answers by UDP are cut off
	Silent  bool   // nothing is answered
	Garbage []byte // what UDP answers instead
	WrongID bool   // one answer with another ID comes first
	NoEDNS  bool   // it takes no EDNS0
}

// NewNameServer starts one without records, and ends it with the test.
func NewNameServer(t testing.TB) *NameServer {
	t.Helper()
	s := &NameServer{records: map[string][]string{}}
	var udp net.PacketConn
	var tcp net.Listener
	for {
		var err error
		if tcp, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
			t.Fatal(err)
		}
		if udp, err = net.ListenPacket("udp", tcp.Addr().String()); err == nil {
			break
		}
		tcp.Close() // another program has this UDP port
	}
	s.Addr = tcp.Addr().String()
	servers := []*dns.Server{
		{PacketConn: udp, Handler: dns.HandlerFunc(func(w dns.ResponseWriter, m *dns.Msg) { s.serve("udp", w, m) })},
		{Listener: tcp, Handler: dns.HandlerFunc(func(w dns.ResponseWriter, m *dns.Msg) { s.serve("tcp", w, m) })},
	}
	var running sync.WaitGroup
	for _, server := range servers {
		started := make(chan struct{})
		server.NotifyStartedFunc = func() { close(started) }
		running.Go(func() { server.ActivateAndServe() })
		<-started
	}
	t.Cleanup(func() {
		for _, server := range servers {
			server.Shutdown()
		}
		running.Wait()
	})
	return s
}

// Set replaces what there is of a name.
func (s *NameServer) Set(name, kind string, lines ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.records[name+" "+kind] = lines
}

// Change changes how it answers.
func (s *NameServer) Change(how func(*NameServer)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	how(s)
}

// Questions are what was asked: "udp db.example A".
func (s *NameServer) Questions() (all []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append(all, s.asked...)
}

func (s *NameServer) serve(network string, w dns.ResponseWriter, m *dns.Msg) {
	s.mu.Lock()
	defer s.mu.Unlock()
	q := m.Question[0]
	name, kind := strings.ToLower(strings.TrimSuffix(q.Name, ".")), dns.TypeToString[q.Qtype]
	s.asked = append(s.asked, network+" "+name+" "+kind)
	if s.Silent {
		return
	}
	if s.Garbage != nil && network == "udp" {
		w.Write(s.Garbage)
		return
	}
	reply := new(dns.Msg)
	reply.SetReply(m)
	if s.NoEDNS && m.IsEdns0() != nil {
		reply.Rcode = dns.RcodeFormatError
		w.WriteMsg(reply)
		return
	}
	if s.Rcode != 0 {
		reply.Rcode = s.Rcode
		w.WriteMsg(reply)
		return
	}
	s.fill(reply, name, kind)
	if network == "udp" && s.Cut {
		reply.Answer, reply.Truncated = nil, true
	}
	if s.WrongID && network == "udp" {
		other := reply.Copy()
		other.Id++
		other.Answer = nil
		w.WriteMsg(other)
	}
	w.WriteMsg(reply)
}

// fill puts the records of a name into a reply, or the negative answer.
func (s *NameServer) fill(reply *dns.Msg, name, kind string) {
	lines, known := s.records[name+" "+kind]
	if alias, ok := s.records[name+" CNAME"]; ok && !known {
		lines, known = alias, true
	}
	for _, line := range lines {
		rr, err := dns.NewRR(line)
		if err != nil {
			panic(err)
		}
		reply.Answer = append(reply.Answer, rr)
	}
	if !known {
		reply.Rcode = dns.RcodeNameError
		for key := range s.records { // the name may have records of another kind
			if strings.HasPrefix(key, name+" ") {
				reply.Rcode = dns.RcodeSuccess
			}
		}
		soa, _ := dns.NewRR("example. 60 IN SOA ns.example. root.example. 1 60 60 60 7")
		reply.Ns = append(reply.Ns, soa)
	}
}
