package config

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tcpctl/tcpctl/proxy/relay"
)

func (s *Service) check(r *report, path string) {
	r.checkName(path, "service", s.Name)
	if len(s.Listen) == 0 && s.Backends == nil {
		r.wrong(path, "write listen and backends", "service %q is empty", s.Name)
		return
	}
	if len(s.Listen) == 0 {
		r.wrong(path+".listen", `write listen = "127.0.0.1:5432"`, "service %q has no address to listen on", s.Name)
	}
	for i, a := range s.Listen {
		r.address(fmt.Sprintf("%s.listen[%d]", path, i), a, true)
	}
	s.checkBackends(r, path+".backends")
	s.Check.check(r, path+".check")
	if s.Pause.Max == 0 {
		r.wrong(path+".pause.max", `write the longest that clients may be held, such as "2m"`, "max = \"0s\": a pause always has a deadline")
	}
	if s.AcceptProxy && len(s.TrustedProxies) == 0 {
		r.wrong(path+".accept_proxy", `write trusted_proxies = ["10.0.0.5"]`, "accept_proxy without trusted_proxies: nobody would be believed")
	}
	if why := s.notForLoop(); s.Relay == "loop" && why != "" {
		r.wrong(path+".relay", `write relay = "auto"`, "service %q: relay = \"loop\" cannot carry it: %s", s.Name, why)
	}
	if h := s.Hooks; h != nil {
		h.BeforeNext.check(r, path+".hooks.before_next")
		h.OnTTL.check(r, path+".hooks.on_ttl")
	}
	if t := s.TLS; t != nil {
		r.needed(path+".tls.cert", t.Cert, "the file of the certificate and its chain")
		r.needed(path+".tls.key", t.Key, "the file of the certificate's key")
	}
	if w := s.WS; w != nil {
		if !strings.HasPrefix(w.Path, "/") {
			r.wrong(path+".ws.path", fmt.Sprintf("write %q", "/"+w.Path), "path %q does not begin with a slash", w.Path)
		}
		for i, host := range w.Hosts {
			if host == "" || strings.ContainsAny(host, "/ \t") || strings.Count(host, ":") == 1 {
				r.wrong(fmt.Sprintf("%s.ws.hosts[%d]", path, i), `write a name alone, such as "desk.example.com" or "*.example.com"`, "host %q is not a name", host)
			}
		}
		if w.MaxHeader < 4<<10 {
			r.wrong(path+".ws.max_header", `write "4KiB" or more`, "max_header = %q: browsers send more than that", w.MaxHeader)
		}
	}
}

// notForLoop is what the engine would refuse when it starts.
func (s *Service) notForLoop() string {
	switch {
	case !relay.HasLoop:
		return "event loops need Linux"
	case s.TLS != nil, s.WS != nil:
		return "it has TLS or WebSocket"
	case s.AcceptProxy, s.SendProxy != 0:
		return "it has a PROXY header"
	case s.RateLimit > 0:
		return "it has a rate_limit"
	}
	return ""
}

func (s *Service) checkBackends(r *report, path string) {
	if s.Backends == nil {
		r.wrong(path, `write backends = ["10.0.0.11:5432"], or [] where they will be added later`, "service %q has no backends", s.Name)
	}
	first := map[string]int{}
	for i := range s.Backends {
		b, at := &s.Backends[i], fmt.Sprintf("%s[%d]", path, i)
		b.check(r, at)
		n, twice := first[b.Name]
		switch {
		case b.Name == "":
		case twice:
			r.wrong(at, fmt.Sprintf("the first is in line %d: give one another name", r.lines.find(fmt.Sprintf("%s[%d]", path, n)).line),
				"service %q: two backends are called %q", s.Name, b.Name)
		default:
			first[b.Name] = i
		}
	}
}

func (b *Backend) check(r *report, path string) {
	switch {
	case b.Addr == "" && b.DNS == "":
		r.wrong(path, `write addr = "10.0.0.11:5432"`, "a backend has no address")
	case b.Addr != "" && b.DNS != "":
		r.wrong(path+".dns", "take one out", "backend %q has both addr and dns", b.Name)
	case strings.HasPrefix(b.DNS, "unix:"):
		r.wrong(path+".dns", "write addr", "dns %q is not a name", b.DNS)
	case b.DNS != "":
		r.address(path+".dns", b.DNS, false)
	default:
		r.address(path+".addr", b.Addr, false)
	}
	if b.Name != b.Addr+b.DNS { // an address may have slashes, a name may not
		r.checkName(path+".name", "backend", b.Name)
	}
	if !b.TLS && (b.TLSName != "" || b.CA != "") {
		r.wrong(path, "write tls = true", "backend %q has tls_name or ca, but not tls", b.Name)
	}
	if b.Refresh < time.Second {
		r.wrong(path+".refresh", `write "1s" or more`, "refresh = %q would not leave the name server alone", shortDuration(b.Refresh))
	}
	if b.ReadyTimeout == 0 {
		r.wrong(path+".ready_timeout", `write how long a restart may take, such as "60s"`, "ready_timeout = \"0s\": a restart has to end")
	}
}

// leastInterval keeps checks from being a load of their own.
const leastInterval = 10 * time.Millisecond

func (c *Check) check(r *report, path string) {
	if c.Interval < leastInterval {
		r.wrong(path+".interval", `write type = "none" for no checks, or 10ms and more`, "interval = %q: checks would never rest", shortDuration(c.Interval))
	}
	if c.Timeout == 0 {
		r.wrong(path+".timeout", `write the longest that a check may take, such as "4s"`, "timeout = \"0s\": a check has to end")
	}
	if !strings.HasPrefix(c.Path, "/") {
		r.wrong(path+".path", fmt.Sprintf("write %q", "/"+c.Path), "path %q does not begin with a slash", c.Path)
	}
	switch {
	case c.Type == "exec" && len(c.Run) == 0:
		r.wrong(path+".run", `write run = ["/path/of/program"]`, `type = "exec" has nothing to run`)
	case c.Type == "send-expect" && c.ExpectBytes == "":
		r.wrong(path+".expect_bytes", `write what the backend answers, such as "+PONG"`, `type = "send-expect" expects nothing`)
	}
	// A path with type = "tcp" is an operator who believes that it is asked
	// for. With none, the rest may wait for better days.
	const overTLS = "tcp http send-expect"
	hosts := "http"
	if c.TLS {
		hosts = overTLS
	}
	for _, k := range []struct {
		key, of string
		used    bool
	}{
		{"path", "http", c.Path != "/"}, {"method", "http", c.Method != "GET"}, {"host", hosts, c.Host != ""},
		{"tls", overTLS, c.TLS}, {"expect", "http", c.Expect != 200},
		{"send", "send-expect", c.Send != ""}, {"expect_bytes", "send-expect", c.ExpectBytes != ""},
		{"run", "exec", len(c.Run) > 0},
	} {
		of := strings.Fields(k.of)
		if k.used && c.Type != "none" && !slices.Contains(of, c.Type) {
			r.wrong(path+"."+k.key, fmt.Sprintf("write type = %q, or take it out", of[len(of)/2]), "%s does nothing with type = %q", k.key, c.Type)
		}
	}
}

func (h *Hook) check(r *report, path string) {
	if h == nil {
		return
	}
	if len(h.Run) == 0 {
		r.wrong(path+".run", `write run = ["/path/of/program"]`, "a hook has nothing to run")
	}
	if h.Timeout == 0 {
		r.wrong(path+".timeout", `write the longest that it may take, such as "30s"`, "timeout = \"0s\": a hook has to end")
	}
}
