package config

import (
	"bytes"
	"cmp"
	"fmt"
	"math"
	"net"
	"time"

	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/proxy/relay"
)

// Proxy gives what an engine runs. In the file 0 is off or no limit, as each
// key says; in proxy.Config zero is the default and negative is off. The
// error, of type Errors, says what an engine would not run: a file without a
// service, and addresses that do not go together.
func (f *File) Proxy() (proxy.Config, error) {
	r := &report{name: f.name, lines: f.lines}
	if len(f.Services) == 0 {
		f.reportEmpty(r)
	}
	c := proxy.Config{MaxSessions: f.Limits.MaxSessions}
	for i := range f.Services {
		c.Services = append(c.Services, f.Services[i].withoutSources(f.Services[i].proxy()))
	}
	for _, e := range c.CheckAddresses() {
		text := e.Text
		if at := r.lines.find(join("services", e.Other) + "." + e.OtherKey); at.line > 0 {
			text += fmt.Sprintf(" in line %d", at.line)
		}
		r.wrong(join("services", e.Service)+"."+e.Key, e.Hint, "%s", text)
	}
	if len(r.found) > 0 {
		return proxy.Config{}, r.inOrder()
	}
	return c, nil
}

// reportEmpty reports a file without services: one truncated by an editor or a full disk must not
// end every service at a reload.
func (f *File) reportEmpty(r *report) {
	text := "there is no service in it"
	switch {
	case len(bytes.TrimSpace(f.text)) == 0:
		text = "it is empty"
	case len(f.lines.at) == 0:
		text = "there is nothing but comments in it"
	}
	r.wrong("", "write [services.NAME]; tcpctl init prints a file to begin with", "%s", text)
}

// proxy converts one service to the engine's configuration.
func (s *Service) proxy() proxy.ServiceConfig {
	c := proxy.ServiceConfig{
		Name:             s.Name,
		Listen:           s.Listen,
		Source:           s.Source,
		Balance:          s.Balance,
		Scope:            s.Scope,
		ConnectTimeout:   cmp.Or(s.ConnectTimeout, 24*time.Hour), // the engine needs a bound; the system gives up after some minutes
		ConnectRetries:   orOff(s.ConnectRetries),
		IdleTimeout:      s.IdleTimeout,
		HalfCloseTimeout: orOff(s.HalfCloseTimeout),
		MaxLifetime:      s.MaxLifetime,
		Sock:             s.sock(),
		Relay:            s.Relay,
		NoBackend:        s.NoBackend,
		MaxSessions:      s.MaxSessions,

		SNI:              s.SNI,
		Allow:            s.Allow,
		Deny:             s.Deny,
		MaxSessionsPerIP: s.MaxSessionsPerIP,
		NewSessionsPerIP: float64(s.NewSessionsPerIP),
		NewSessionsBurst: s.NewSessionsBurst,
		RateLimit:        int64(math.Ceil(float64(s.RateLimit))), // rounded up: less than a byte a second is still a limit
		AcceptProxy:      s.AcceptProxy,
		TrustedProxies:   s.TrustedProxies,
		SendProxy:        s.SendProxy,
		TLSStrictEnd:     s.TLS != nil && s.TLS.StrictEnd,

		Queue: s.Queue.proxy(),
		Check: s.Check.proxy(),
		Drain: proxy.DrainConfig{Quiet: s.Drain.Quiet, Protocol: s.Drain.Protocol},
		Pause: s.Pause.proxy(),
	}
	s.addOptional(&c)
	for i := range s.Backends {
		c.Backends = append(c.Backends, s.Backends[i].proxy())
	}
	return c
}

func (q *Queue) proxy() proxy.QueueConfig {
	return proxy.QueueConfig{
		Max:         orOff(q.Max),
		MaxPerIP:    q.MaxPerIP,
		Timeout:     orOff(q.Timeout),
		OnClientFin: q.OnClientFin,
	}
}

func (p *Pause) proxy() proxy.PauseConfig {
	return proxy.PauseConfig{
		Limit:       orOff(p.Limit),
		Then:        p.Then,
		Max:         orOff(p.Max),
		OnMax:       p.OnMax,
		ReleaseRate: float64(p.ReleaseRate),
		Bypass:      p.Bypass,
	}
}

// addOptional adds what comes from optional tables.
func (s *Service) addOptional(c *proxy.ServiceConfig) {
	if s.WS != nil {
		c.Hosts, c.Path = s.WS.Hosts, s.WS.Path
	}
	if s.Lock != nil {
		c.Lock = proxy.LockConfig{Slots: s.Lock.Slots, TTL: s.Lock.TTL, Scope: s.Lock.Scope, Order: s.Lock.Order}
	}
	if p := s.Passive; p != nil {
		c.Passive = proxy.PassiveConfig{Failures: p.Failures, Window: orOff(p.Window), Eject: orOff(p.Eject), MaxEjectedPercent: orOff(p.MaxEjectedPercent)}
	}
	if h := s.Hooks; h != nil {
		c.Hooks = proxy.Hooks{BeforeNext: h.BeforeNext.proxy(), OnTTL: h.OnTTL.proxy(), OnExpire: h.OnExpire.proxy(), Ready: h.Ready, Shared: !h.Exclusive}
	}
}

func (s *Service) sock() relay.Sock {
	return relay.Sock{
		KeepAlive:   orOff(s.Keepalive),
		UserTimeout: s.UserTimeout,
		Delay:       !s.Nodelay,
		Backlog:     s.Backlog,
		Mode:        s.ListenMode,
		Group:       s.ListenGroup,
	}
}

func (c *Check) proxy() proxy.CheckConfig {
	return proxy.CheckConfig{
		Type:     c.Type,
		Port:     c.Port,
		Path:     c.Path,
		Method:   c.Method,
		Host:     c.Host,
		Expect:   c.Expect,
		TLS:      c.TLS,
		Send:     c.Send,
		Want:     c.ExpectBytes,
		Run:      c.Run,
		Interval: orOff(c.Interval),
		Timeout:  orOff(c.Timeout),
		Rise:     c.Rise,
		Fall:     c.Fall,

		SlowStart: c.SlowStart,
		OnDown:    c.OnDown,
	}
}

// proxy converts one backend to the engine's configuration; for one with dns, that of each of the
// name's addresses.
func (b *Backend) proxy() proxy.BackendConfig {
	return proxy.BackendConfig{
		Name:         b.Name,
		Addr:         cmp.Or(b.Addr, b.DNS),
		Weight:       orOff(b.Weight),
		Priority:     b.Priority,
		MaxSessions:  b.MaxSessions,
		TLS:          b.TLSConfig(),
		Restart:      b.Restart,
		ReadyTimeout: orOff(b.ReadyTimeout),
	}
}

// TLSConfig gives how TLS is spoken to the backend, nil for none. The certificates
// of all addresses of a name are for that name.
func (b *Backend) TLSConfig() *proxy.BackendTLS {
	host, _, _ := net.SplitHostPort(b.DNS)
	return b.ToTLS.config(host)
}

// config converts the TLS settings; name is the default for tls_name; "": the address's host.
func (t *ToTLS) config(name string) *proxy.BackendTLS {
	if !t.TLS {
		return nil
	}
	return &proxy.BackendTLS{Name: cmp.Or(t.TLSName, name), Insecure: !t.TLSVerify, CA: t.CA, Cert: t.TLSCert, Key: t.TLSKey}
}

func (h *Hook) proxy() proxy.Hook {
	if h == nil {
		return proxy.Hook{}
	}
	return proxy.Hook{Run: h.Run, Every: h.Every, Timeout: orOff(h.Timeout), OnError: h.OnError}
}

// orOff converts 0, which is off in the file, for engine fields where 0 is a default and negative is off.
func orOff[T int | time.Duration](v T) T {
	return cmp.Or(v, -1)
}
