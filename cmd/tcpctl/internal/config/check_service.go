package config

import (
	"fmt"
	"slices"
	"strings"
)

func (s *Service) check(r *report, path string) {
	if len(s.Listen) == 0 && s.Backends == nil && s.Discover == nil && s.Name != "" {
		r.wrong(path, "write listen and backends", "service %q is empty", s.Name)
		return
	}
	if s.Backends == nil && s.Discover == nil {
		r.wrong(path+".backends", `write backends = ["10.0.0.11:5432"], or [] where they will be added later`, "service %q has no backends", s.Name)
	}
	for i, a := range s.Listen {
		r.address(fmt.Sprintf("%s.listen[%d]", path, i), a, true)
	}
	for i := range s.Backends {
		s.Backends[i].check(r, fmt.Sprintf("%s.backends[%d]", path, i))
	}
	s.checkDiscover(r, path)
	s.Check.check(r, path+".check")
	if s.Drain.Protocol != "" && (s.WS != nil || len(s.SNI) > 0 && s.TLS == nil) {
		r.wrong(path+".drain.protocol", "take it out; drain.quiet works without", "service %q: %s cannot be followed within WebSocket frames or TLS that is passed through", s.Name, s.Drain.Protocol)
	}
	if h := s.Hooks; h != nil {
		h.BeforeNext.check(r, path+".hooks.before_next")
		h.OnTTL.check(r, path+".hooks.on_ttl")
		h.OnExpire.check(r, path+".hooks.on_expire")
	}
	if t := s.TLS; t != nil {
		r.needed(path+".tls.cert", t.Cert, "the file of the certificate and its chain")
		r.needed(path+".tls.key", t.Key, "the file of the certificate's key")
	}
	if len(s.SNI) > 0 && s.WS != nil && s.TLS == nil {
		r.wrong(path+".sni", "give it a tls table as well, or take sni out", "service %q: sni needs TLS, which WebSocket clients without it do not speak", s.Name)
	}
	if s.WS != nil {
		s.WS.Check(r.below(path + ".ws."))
	}
	s.validate(r, path)
}

// validate asks the engine, which alone decides what values are valid, and adds their lines. An
// error that was already found with a key is not reported again in the engine's words.
func (s *Service) validate(r *report, path string) {
	c := s.proxy()
	for _, e := range c.Validate() {
		at, hint := path, e.Hint
		if e.Key != "" {
			at = path + "." + e.Key
		}
		if e.Other != "" {
			hint = fmt.Sprintf("the first is in line %d: %s", r.lines.find(path+"."+e.Other).line, hint)
		}
		r.wrong(at, hint, "%s", e.Text)
	}
}

func (b *Backend) check(r *report, path string) {
	switch {
	case b.Addr == "" && b.DNS == "":
		r.wrong(path+".addr", `write addr = "10.0.0.11:5432"`, "a backend has no address")
	case b.Addr != "" && b.DNS != "":
		r.wrong(path+".dns", "take one out", "backend %q has both addr and dns", b.Name)
	case strings.HasPrefix(b.DNS, "unix:"):
		r.wrong(path+".dns", "write addr", "dns %q is not a name", b.DNS)
	case b.DNS != "":
		r.skip(path + ".addr") // found by the name's lookup
	default:
		r.address(path+".addr", b.Addr, false)
	}
	b.ToTLS.check(r, path, fmt.Sprintf("backend %q", b.Name))
	if b.DNS == "" && b.DNSServer != "" {
		r.wrong(path+".dns_server", "write dns in place of addr", "backend %q has dns_server, but not dns", b.Name)
	}
	r.refresh(path+".refresh", b.Refresh)
}

func (t *ToTLS) check(r *report, path, owner string) {
	for key, used := range map[string]bool{"tls_name": t.TLSName != "", "ca": t.CA != "", "tls_cert": t.TLSCert != "", "tls_key": t.TLSKey != "", "tls_verify": !t.TLSVerify} {
		if used && !t.TLS {
			r.wrong(path+"."+key, "write tls = true, too, or take it out", "%s has %s, but not tls", owner, key)
		}
	}
}

func (c *Check) check(r *report, path string) {
	// With type = "tcp" and a path, the operator wrongly believes that the path is checked. With
	// type = "none" the other keys are allowed: checks are just switched off.
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
}
