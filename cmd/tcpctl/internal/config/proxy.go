package config

import (
	"math"
	"time"

	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/proxy/relay"
)

// Proxy gives what an engine runs. In the file 0 is off or no limit, as each
// key says; in proxy.Config zero is the default and negative is off. The
// error, of type Errors, says what of f is not in this version yet: after Load
// there is none, after filling a File by hand there may be.
func (f *File) Proxy() (proxy.Config, error) {
	r := &report{name: f.name, lines: f.lines}
	f.refuse(r, later)
	if len(r.found) > 0 {
		return proxy.Config{}, r.inOrder()
	}
	c := proxy.Config{MaxSessions: f.Limits.MaxSessions}
	for i := range f.Services {
		c.Services = append(c.Services, f.Services[i].proxy())
	}
	return c, nil
}

// proxy gives what the engine runs of one service.
func (s *Service) proxy() proxy.ServiceConfig {
	c := proxy.ServiceConfig{
		Name:             s.Name,
		Listen:           s.Listen,
		Source:           s.Source,
		Balance:          s.Balance,
		ConnectTimeout:   orNever(s.ConnectTimeout),
		ConnectRetries:   orOff(s.ConnectRetries),
		IdleTimeout:      s.IdleTimeout,
		HalfCloseTimeout: orOff(s.HalfCloseTimeout),
		MaxLifetime:      s.MaxLifetime,
		Sock: relay.Sock{
			KeepAlive:   orOff(s.Keepalive),
			UserTimeout: s.UserTimeout,
			Delay:       !s.Nodelay,
			Backlog:     s.Backlog,
		},
		Relay:       s.Relay,
		NoBackend:   s.NoBackend,
		MaxSessions: s.MaxSessions,

		Allow:            s.Allow,
		Deny:             s.Deny,
		MaxSessionsPerIP: s.MaxSessionsPerIP,
		NewSessionsPerIP: float64(s.NewSessionsPerIP),
		RateLimit:        int64(math.Ceil(float64(s.RateLimit))), // less than a byte a second is not none
		AcceptProxy:      s.AcceptProxy,
		TrustedProxies:   s.TrustedProxies,
		SendProxy:        s.SendProxy,

		Queue: proxy.QueueConfig{
			Max:         orOff(s.Queue.Max),
			Timeout:     orOff(s.Queue.Timeout),
			OnClientFin: s.Queue.OnClientFin,
		},
		Check: proxy.CheckConfig{
			Type:     s.Check.Type,
			Port:     s.Check.Port,
			Path:     s.Check.Path,
			Method:   s.Check.Method,
			Host:     s.Check.Host,
			Expect:   s.Check.Expect,
			TLS:      s.Check.TLS,
			Send:     s.Check.Send,
			Want:     s.Check.ExpectBytes,
			Run:      s.Check.Run,
			Interval: orOff(s.Check.Interval),
			Timeout:  orOff(s.Check.Timeout),
			Rise:     s.Check.Rise,
			Fall:     s.Check.Fall,

			SlowStart: s.Check.SlowStart,
			OnDown:    s.Check.OnDown,
		},
		Pause: proxy.PauseConfig{
			Limit:       orOff(s.Pause.Limit),
			Then:        s.Pause.Then,
			Max:         orOff(s.Pause.Max),
			OnMax:       s.Pause.OnMax,
			ReleaseRate: float64(s.Pause.ReleaseRate),
			Bypass:      s.Pause.Bypass,
		},
	}
	if s.Lock != nil {
		c.Lock = proxy.LockConfig{Slots: s.Lock.Slots, TTL: s.Lock.TTL}
	}
	if h := s.Hooks; h != nil {
		c.Hooks = proxy.Hooks{BeforeNext: h.BeforeNext.proxy(), OnTTL: h.OnTTL.proxy(), Ready: h.Ready, Shared: !h.Exclusive}
	}
	for _, b := range s.Backends {
		c.Backends = append(c.Backends, proxy.BackendConfig{
			Name:         b.Name,
			Addr:         b.Addr,
			Weight:       orOff(b.Weight),
			Priority:     b.Priority,
			MaxSessions:  b.MaxSessions,
			Restart:      b.Restart,
			ReadyTimeout: orOff(b.ReadyTimeout),
		})
	}
	return c
}

func (h *Hook) proxy() proxy.Hook {
	if h == nil {
		return proxy.Hook{}
	}
	return proxy.Hook{Run: h.Run, Every: h.Every, Timeout: orOff(h.Timeout), OnError: h.OnError}
}

// orOff is for fields of which zero is another default, and negative is off.
func orOff[T int | time.Duration](v T) T {
	if v == 0 {
		return -1
	}
	return v
}

// orNever is for a dial, which the engine does not let go on for ever. The
// system itself gives up after some minutes, long before this.
func orNever(d time.Duration) time.Duration {
	if d == 0 {
		return 24 * time.Hour
	}
	return d
}
