package discover

import (
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// nameServer is a name server of the test's own, by UDP and TCP on one port.
type nameServer struct {
	addr string

	mu      sync.Mutex
	records map[string][]string // lines of a zone file, by "name TYPE"
	rcode   int                 // for everything; 0: as the records say
	cut     bool                // answers by UDP are cut off
	silent  bool                // nothing is answered
	garbage []byte              // what UDP answers instead
	wrongID bool                // one answer with another ID comes first
	noEDNS  bool                // it takes no EDNS0
	asked   []string            // "udp name TYPE"
}

func newNameServer(t testing.TB) *nameServer {
	t.Helper()
	s := &nameServer{records: map[string][]string{}}
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
		tcp.Close() // the port is another's by UDP
	}
	s.addr = tcp.Addr().String()
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

// set replaces what there is of a name.
func (s *nameServer) set(name, kind string, lines ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.records[name+" "+kind] = lines
}

// change changes how it answers.
func (s *nameServer) change(how func(*nameServer)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	how(s)
}

func (s *nameServer) questions() (all []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append(all, s.asked...)
}

func (s *nameServer) serve(network string, w dns.ResponseWriter, m *dns.Msg) {
	s.mu.Lock()
	defer s.mu.Unlock()
	q := m.Question[0]
	name, kind := strings.ToLower(strings.TrimSuffix(q.Name, ".")), dns.TypeToString[q.Qtype]
	s.asked = append(s.asked, network+" "+name+" "+kind)
	if s.silent {
		return
	}
	if s.garbage != nil && network == "udp" {
		w.Write(s.garbage)
		return
	}
	reply := new(dns.Msg)
	reply.SetReply(m)
	if s.noEDNS && m.IsEdns0() != nil {
		reply.Rcode = dns.RcodeFormatError
		w.WriteMsg(reply)
		return
	}
	if s.rcode != 0 {
		reply.Rcode = s.rcode
		w.WriteMsg(reply)
		return
	}
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
	if network == "udp" && s.cut {
		reply.Answer, reply.Truncated = nil, true
	}
	if s.wrongID && network == "udp" {
		other := reply.Copy()
		other.Id++
		other.Answer = nil
		w.WriteMsg(other)
	}
	w.WriteMsg(reply)
}

// dnsSpec is a Spec that asks s.
func (s *nameServer) spec(from string) *Spec {
	return &Spec{Name: "discover", From: from, Server: s.addr, Timeout: 20 * time.Second}
}
