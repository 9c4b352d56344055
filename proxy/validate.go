package proxy

import (
	"fmt"
	"math"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/tcpctl/tcpctl/proxy/health"
	"github.com/tcpctl/tcpctl/proxy/internal/balance"
	"github.com/tcpctl/tcpctl/proxy/internal/exchange"
	"github.com/tcpctl/tcpctl/proxy/text"
)

// Validate returns all that is wrong with the configuration of a service. New and
// Engine.Apply call it, and so should any reader of configurations, which can add
// the place of a value. A zero value is the default and valid; so is a negative
// duration or number where that means off.
func (c ServiceConfig) Validate() []*ValueError {
	c = c.complete()
	v := &values{}
	v.name("", "service", c.Name)
	if len(c.Listen)+len(c.Listeners) == 0 {
		v.wrong("listen", `write listen = "127.0.0.1:5432"`, "service %q has no address to listen on", c.Name)
	}
	for i, a := range c.Listen {
		v.addr(fmt.Sprintf("listen[%d]", i), a, true)
	}
	for i, ln := range c.Listeners {
		if ln == nil {
			v.wrong(fmt.Sprintf("listeners[%d]", i), "leave it out", "service %q: a listener that it is given is nil", c.Name)
		}
	}
	for i, a := range c.Source {
		if _, err := ParseSource(a.String()); err != nil {
			v.wrong(fmt.Sprintf("source[%d]", i), "", "source %v", err)
		}
	}
	c.validateServing(v)
	c.validateClients(v)
	c.validateNames(v)
	c.Check.validate(v)
	c.Pause.validate(v)
	c.Drain.validate(v)
	c.Passive.validate(v)
	c.Hooks.validate(v)
	first := map[string]string{}
	for i, b := range c.Backends {
		at := fmt.Sprintf("backends[%d]", i)
		v.prefix = at + "."
		b.validate(v)
		v.prefix = ""
		if other, twice := first[b.Name]; twice {
			v.wrong(at, "give one of them another name", "service %q: two backends are called %q", c.Name, b.Name)
			v.found[len(v.found)-1].Other = other
			continue
		}
		first[b.Name] = at
	}
	return v.found
}

// Validate returns what is wrong with the values of Config itself; ServiceConfig
// has its own Validate.
func (c Config) Validate() []*ValueError {
	v := &values{}
	v.count("limits.max_sessions", c.MaxSessions, maxCount)
	return v.found
}

// complete returns c with its defaults, and those of its backends.
func (c ServiceConfig) complete() ServiceConfig {
	c = c.withDefaults()
	all := make([]BackendConfig, len(c.Backends))
	for i, b := range c.Backends {
		all[i] = b.withDefaults()
	}
	c.Backends = all
	return c
}

func (c *ServiceConfig) validateServing(v *values) {
	v.choice("balance", c.Balance, balance.Names...)
	v.needed("connect_timeout", c.ConnectTimeout, LongestDuration, `write "3s"`, "a dial has to end")
	v.count("connect_retries", c.ConnectRetries, 1000)
	v.duration("idle_timeout", c.IdleTimeout, LongestDuration)
	v.duration("half_close_timeout", c.HalfCloseTimeout, LongestDuration)
	v.duration("max_lifetime", c.MaxLifetime, LongestDuration)
	v.duration("keepalive", c.Sock.KeepAlive, mostKeepAlive)
	v.duration("user_timeout", c.Sock.UserTimeout, mostUserTimout)
	v.count("backlog", c.Sock.Backlog, math.MaxInt32)
	v.choice("relay", c.Relay, "auto", "loop", "stream")
	if why := c.notForLoop(); c.Relay == "loop" && why != "" {
		v.wrong("relay", `write relay = "auto"`, "service %q: relay = \"loop\" cannot carry it: %s", c.Name, why)
	}
	v.choice("no_backend", c.NoBackend, Hold, Reject)
	v.count("max_sessions", c.MaxSessions, maxCount)
	v.count("queue.max", c.Queue.Max, maxCount)
	v.count("queue.max_per_ip", c.Queue.MaxPerIP, maxCount)
	v.duration("queue.timeout", c.Queue.Timeout, LongestDuration)
	v.choice("queue.on_client_fin", c.Queue.OnClientFin, FinVerify, FinKeep, FinDrop)
	v.count("lock.slots", c.Lock.Slots, maxCount)
	v.duration("lock.ttl", c.Lock.TTL, LongestDuration)
	c.validateShared(v)
}

// validateShared checks the settings of slots that other engines use, too.
func (c *ServiceConfig) validateShared(v *values) {
	v.choice("scope", c.Scope, ScopeNode, ScopeCluster)
	v.choice("lock.scope", c.Lock.Scope, ScopeNode, ScopeCluster)
	v.choice("lock.order", c.Lock.Order, OrderStrict, OrderShares)
	v.choice("lock.when_lost", c.Lock.WhenLost, Hold, Reject)
	shared := c.Lock.Scope == ScopeCluster
	if !shared && c.Hooks.OnExpire.set() {
		v.wrong("hooks.on_expire", `write lock.scope = "cluster", or take it out`, "hooks.on_expire runs when a node loses a slot, and slots of a single node are never lost")
	}
	if shared && c.Lock.Slots <= 0 {
		v.wrong("lock.slots", "write slots = 1", "service %q shares the slots of a lock, but has none", c.Name)
	}
	if c.Lock.Order == OrderShares && !shared {
		v.wrong("lock.order", `write lock.scope = "cluster", or take it out`, "lock.order = \"shares\" needs slots that nodes share, but those of service %q are this node's", c.Name)
	}
	if c.Lock.Order == OrderShares && c.Hooks.BeforeNext.set() {
		v.wrong("hooks.before_next", `write lock.order = "strict", or take it out`, "hooks.before_next counts the clients of all nodes, which nobody does with lock.order = \"shares\"")
	}
	if shared && len(c.Pause.Bypass) > 0 {
		v.wrong("pause.bypass", "take it out, or the scope of the lock", "service %q: slots that nodes share are handed out in the order of arrival, so clients that bypass a pause would wait behind those that it holds", c.Name)
	}
}

func (c *ServiceConfig) validateClients(v *values) {
	v.networks("allow", c.Allow)
	v.networks("deny", c.Deny)
	v.networks("trusted_proxies", c.TrustedProxies)
	v.count("max_sessions_per_ip", c.MaxSessionsPerIP, maxCount)
	v.rate("new_sessions_per_ip", max(c.NewSessionsPerIP, 0))
	v.count("new_sessions_burst", c.NewSessionsBurst, maxCount)
	if c.NewSessionsBurst > 0 && c.NewSessionsPerIP <= 0 {
		v.wrong("new_sessions_burst", `write new_sessions_per_ip = "1/s" beside it, or take it out`, "new_sessions_burst without new_sessions_per_ip bounds nothing")
	}
	if c.RateLimit > MaxBytes {
		v.wrong("rate_limit", "it is from 0/s to 8192TiB/s", "rate_limit = %d bytes a second is out of range", c.RateLimit)
	}
	if c.AcceptProxy && len(c.TrustedProxies) == 0 {
		v.wrong("accept_proxy", `write trusted_proxies = ["10.0.0.5"]`, "accept_proxy without trusted_proxies: no PROXY header would be accepted")
	}
	v.number("send_proxy", c.SendProxy, 0, 2)
}

// validateNames checks the server names that the service accepts.
func (c *ServiceConfig) validateNames(v *values) {
	for i, name := range c.SNI {
		key := fmt.Sprintf("sni[%d]", i)
		switch {
		case !isServerName(name):
			v.wrong(key, `write "db.example.com", "*.example.com" for one label before it, or "*" for all others`, "sni %q is not a server name", name)
		case slices.ContainsFunc(c.SNI[:i], func(n string) bool { return canonicalName(n) == canonicalName(name) }):
			v.wrong(key, "take one out", "sni %q is listed twice", name)
		}
	}
	if len(c.SNI) > 0 && c.Protocol != nil && c.TLS == nil {
		v.wrong("sni", "give it a tls table as well, or take sni out", "service %q: sni needs TLS, which clients that speak %s without it do not use", c.Name, c.Protocol.Name())
	}
}

// isServerName reports whether a client can ask for a name, or for one that matches a
// wildcard.
func isServerName(name string) bool {
	if name == "*" {
		return true
	}
	name = strings.TrimPrefix(canonicalName(name), "*.")
	_, err := netip.ParseAddr(name)
	if err == nil || len(name) > 253 {
		return false // RFC 6066: an address is not a name
	}
	for label := range strings.SplitSeq(name, ".") {
		bad := strings.ContainsFunc(label, func(c rune) bool { return (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' && c != '_' })
		if label == "" || len(label) > 63 || bad {
			return false
		}
	}
	return true
}

func (c *CheckConfig) validate(v *values) {
	v.choice("check.type", c.Type, health.TCP, health.HTTP, health.Talk, checkExec, health.Passive, health.None)
	v.number("check.port", c.Port, 0, 65535)
	if c.Path != "" && !strings.HasPrefix(c.Path, "/") {
		v.wrong("check.path", fmt.Sprintf("write %q", "/"+c.Path), "path %q does not begin with a slash", c.Path)
	}
	for key, said := range map[string]string{"check.path": c.Path, "check.method": c.Method, "check.host": c.Host} {
		if strings.ContainsFunc(said, func(r rune) bool { return r <= ' ' || r == 0x7f }) {
			v.wrong(key, "leave it out, or write %20 for a space in a path", "%s %q: a request's first line ends at a space or control character", last(key), said)
		}
	}
	if c.Expect != 0 {
		v.number("check.expect", c.Expect, 100, 599)
	}
	switch {
	case c.Type == checkExec && len(c.Run) == 0:
		v.wrong("check.run", `write run = ["/path/of/program"]`, `type = "exec" has nothing to run`)
	case c.Type == checkExec:
		v.argv("check.run", c.Run)
	case c.Type == health.Talk && c.Want == "":
		v.wrong("check.expect_bytes", `write what the backend answers, such as "+PONG"`, `type = "send-expect" expects nothing`)
	}
	v.needed("check.interval", c.Interval, LongestDuration, `write type = "none" for no checks, or 10ms and more`, "checks would never rest")
	if c.Interval > 0 && c.Interval < leastInterval {
		v.wrong("check.interval", `write type = "none" for no checks, or 10ms and more`, "interval = %q: checks would never rest", text.Duration(c.Interval))
	}
	v.needed("check.timeout", c.Timeout, LongestDuration, `write the longest that a check may take, such as "4s"`, "a check has to end")
	v.number("check.rise", c.Rise, 0, 1000)
	v.number("check.fall", c.Fall, 0, 1000)
	v.duration("check.slow_start", c.SlowStart, LongestDuration)
	v.choice("check.on_down", c.OnDown, OnDownKeep, OnDownCut)
}

func (c *PauseConfig) validate(v *values) {
	v.duration("pause.limit", c.Limit, LongestDuration)
	v.choice("pause.then", c.Then, Thens...)
	v.needed("pause.max", c.Max, LongestPause, `write the longest that clients may be held, such as "2m"`, "a pause always has a deadline")
	v.choice("pause.on_max", c.OnMax, "resume", "reject")
	v.rate("pause.release_rate", max(c.ReleaseRate, 0))
	v.networks("pause.bypass", c.Bypass)
}

func (c *DrainConfig) validate(v *values) {
	v.duration("drain.quiet", c.Quiet, LongestDuration)
	if c.Protocol != "" {
		v.choice("drain.protocol", c.Protocol, exchange.Protocols...)
	}
}

func (c *PassiveConfig) validate(v *values) {
	v.number("passive.failures", c.Failures, 0, 1000)
	if c.Failures == 0 {
		return
	}
	v.needed("passive.window", c.Window, LongestDuration, `write how far apart the failures may be, such as "10s"`, "failures would never add up")
	v.needed("passive.eject", c.Eject, LongestPause, `write how long it gets no new sessions the first time, such as "30s"`, "an ejection has to last")
	v.number("passive.max_ejected_percent", max(c.MaxEjectedPercent, 0), 0, 100)
}

func (h *Hooks) validate(v *values) {
	h.BeforeNext.validate(v, "hooks.before_next")
	h.OnTTL.validate(v, "hooks.on_ttl")
	h.OnExpire.validate(v, "hooks.on_expire")
	if h.Ready != "" {
		v.choice("hooks.ready", h.Ready, ReadyCheck, ReadyConnect, ReadyNone)
	}
}

func (h *Hook) validate(v *values, key string) {
	v.argv(key+".run", h.Run)
	v.number(key+".every", h.Every, 0, maxCount)
	if h.Timeout != 0 {
		v.needed(key+".timeout", h.Timeout, LongestDuration, `write the longest that it may take, such as "30s"`, "a hook has to end")
	}
	if h.OnError != "" {
		v.choice(key+".on_error", h.OnError, OnErrors...)
	}
}

// validate checks a backend that has its defaults.
func (c *BackendConfig) validate(v *values) {
	v.addr("addr", c.Addr, false)
	if c.Name != c.Addr { // an address may have slashes, a name may not
		v.name("name", "backend", c.Name)
	}
	v.number("weight", c.Weight, 0, maxWeight)
	v.number("priority", c.Priority, 0, maxWeight)
	v.count("max_sessions", c.MaxSessions, maxCount)
	v.number("check_port", c.CheckPort, 0, 65535)
	c.validateTLS(v)
	v.argv("restart", c.Restart)
	if c.ReadyTimeout != 0 {
		v.needed("ready_timeout", c.ReadyTimeout, LongestDuration, `write how long a restart may take, such as "60s"`, "a restart has to end")
	}
}

// Validate returns the first error in the configuration of a backend, as a
// *ValueError, or nil.
func (c BackendConfig) Validate() error {
	c = c.withDefaults()
	v := &values{}
	c.validate(v)
	return v.first()
}

// Validate returns what is wrong with the options, or nil.
func (o DrainOptions) Validate() error {
	v := &values{}
	v.given("limit", o.Limit, LongestDuration)
	if o.Then != "" {
		v.choice("then", o.Then, Thens...)
	}
	v.given("quiet", o.Quiet, LongestDuration)
	v.note("reason", o.Reason)
	return v.first()
}

// Validate returns what is wrong with the options, or nil.
func (o PauseOptions) Validate() error {
	v := &values{}
	v.given("max", o.Max, LongestPause)
	if err := v.first(); err != nil {
		return err
	}
	return DrainOptions{Limit: o.Limit, Then: o.Then, Quiet: o.Quiet, Reason: o.Reason}.Validate()
}

// Validate returns what is wrong with the options, or nil.
func (o ResumeOptions) Validate() error {
	v := &values{}
	v.rate("rate", o.Rate)
	v.note("reason", o.Reason)
	return v.first()
}

// Validate returns what is wrong with the options, or nil.
func (o PlanOptions) Validate() error {
	v := &values{}
	v.number("min_up", o.MinUp, 0, maxCount)
	v.given("max_wait", o.MaxWait, LongestDuration)
	v.rate("rate", o.Rate)
	if err := v.first(); err != nil {
		return err
	}
	return PauseOptions{Limit: o.Limit, Then: o.Then, Max: o.Max, Quiet: o.Quiet, Reason: o.Reason}.Validate()
}

// ValidateNote returns an error if a text is too long for a reason or a mark; key
// names it in the error.
func ValidateNote(key, said string) error {
	v := &values{}
	v.note(key, said)
	return v.first()
}

// ValidateDuration returns an error if the duration of an act is invalid; key
// names it in the error.
func ValidateDuration(key string, d time.Duration) error {
	v := &values{}
	v.given(key, d, LongestDuration)
	return v.first()
}

// ValidateWeight returns an error if a backend cannot have the weight.
func ValidateWeight(n int) error {
	v := &values{}
	v.number("weight", n, 0, maxWeight)
	return v.first()
}
