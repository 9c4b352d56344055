package tui

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	tea "github.com/charmbracelet/bubbletea"

	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/proxy/api"
	"github.com/tcpctl/tcpctl/proxy/text"
)

// chaos makes an engine with arbitrary data: any names, counters that fall, random times, backends
// that come and go.
func chaos(rng *rand.Rand, name string) *fake {
	pick := func(words ...string) string { return words[rng.IntN(len(words))] }
	names := func(i int) string {
		return pick(name, name+fmt.Sprint(i), "pg", "", "日本語", strings.Repeat(name, 3)) + fmt.Sprint(i)
	}
	when := func() time.Time { return start.Add(time.Duration(rng.Int64N(1<<50)) - 1<<49) }
	number := func() int { return rng.IntN(1<<31) >> rng.IntN(31) }
	f := &fake{status: api.Status{Node: api.Node{Name: name, Now: start, Started: when()}}}
	for i := range rng.IntN(5) {
		s := proxy.ServiceInfo{Name: names(i), Listen: []string{name}, State: pick("open", "pausing", "paused", "releasing", "closed", name),
			Sessions: proxy.SessionCounts{Active: number(), Total: int64(number()), Failed: int64(number())},
			Queue:    proxy.QueueInfo{Waiting: number(), OldestSeconds: rng.NormFloat64() * 1e6, Granted: int64(number()), WaitP50Seconds: rng.ExpFloat64() * 1e9},
			BytesIn:  int64(number()) << 20}
		if rng.IntN(2) == 0 {
			s.Lock = &proxy.LockInfo{Slots: number(), InUse: number(), TTLSeconds: rng.NormFloat64() * 100}
			for range rng.IntN(9) {
				s.Lock.Holders = append(s.Lock.Holders, proxy.HolderInfo{ID: name, Client: name, HeldSeconds: rng.NormFloat64() * 1e4})
			}
		}
		if rng.IntN(3) == 0 {
			s.Pause = &proxy.PauseInfo{Owner: name, Reason: name, By: pick("", "pause", "window"), Since: when(), Until: when(), Held: number(), Step: name}
		}
		for j := range rng.IntN(12) {
			b := proxy.BackendInfo{Name: names(j), Addr: name, State: pick("up", "down", "checking", name), Admin: pick("ready", "drain", "maint", name),
				Since: when(), Active: number(), Weight: number(), RTTSeconds: rng.NormFloat64(), Removing: rng.IntN(9) == 0, Reason: pick("", "standby", name)}
			if rng.IntN(2) == 0 {
				b.Check = &proxy.CheckInfo{OK: rng.IntN(2) == 0, Detail: name, Last: pick("", "+!", name), Consecutive: number(), Threshold: number()}
			}
			if rng.IntN(3) == 0 {
				until := when()
				b.Drain = &proxy.DrainInfo{StartedWith: number() - 5, Remaining: number(), Since: when(), By: name, Reason: name}
				if rng.IntN(2) == 0 {
					b.Drain.Until, b.Drain.Then = &until, pick("cut", name)
				}
			}
			s.Backends = append(s.Backends, b)
		}
		f.status.Services = append(f.status.Services, s)
	}
	for i := range rng.IntN(30) {
		f.waiters = append(f.waiters, proxy.WaiterInfo{ID: pick(name, fmt.Sprint(i)), Position: i, Client: name, WaitedSeconds: rng.NormFloat64() * 1e5, State: name, Reason: proxy.Reason(name)})
		f.sessions = append(f.sessions, proxy.SessionInfo{ID: fmt.Sprint(i), Client: name, Service: name, BytesIn: int64(number()), AgeSeconds: rng.NormFloat64() * 1e5})
		f.events = append(f.events, proxy.Event{Time: when(), Kind: pick("operator", "mark", name), Level: pick("alarm", "warn", name), Text: name, Command: name, By: name})
	}
	if rng.IntN(2) == 0 {
		f.status.Plan = &proxy.PlanInfo{Kind: name, State: name, Reason: name}
		for range rng.IntN(20) {
			f.status.Plan.Steps = append(f.status.Plan.Steps, proxy.StepInfo{What: name, State: pick("done", "running", "failed", name), Seconds: rng.NormFloat64() * 1e4, Detail: name})
		}
	}
	return f
}

// Whatever the size, the data and the keys: every line has exactly the width, there are no more
// lines than the height, and nothing panics.
func FuzzScreen(f *testing.F) {
	for i, s := range sizes {
		f.Add(uint16(s[0]), uint16(s[1]), "pg-a", uint64(i), "j d tab 5 m esc / a enter ? esc t")
	}
	f.Add(uint16(79), uint16(19), "\x1b[2J", uint64(1), "2 K y 4 enter esc P tab right y")
	f.Add(uint16(120), uint16(36), "日本語\u0301", uint64(2), "A m 1 space ctrl+space X s j enter S o z z")
	f.Add(uint16(31), uint16(7), "a\xffb", uint64(3), ": d r a i n enter q esc l l h w 9 enter U")
	f.Fuzz(func(t *testing.T, w, h uint16, name string, seed uint64, keys string) {
		w, h = w%260, h%90
		if len(keys) > 200 || len(name) > 200 {
			return
		}
		rng := rand.New(rand.NewPCG(seed, 7))
		c := newConsole(t, chaos(rng, name), int(w), int(h))
		c.colours.ascii = seed%3 == 0
		c.colours.show(c.theme)
		for i, k := range strings.Fields(keys) {
			c.press(k)
			if i%3 == 0 {
				c.engine.change(func(f *fake) {
					g := chaos(rng, name)
					f.status, f.waiters, f.sessions = g.status, g.waiters, g.sessions
				})
				c.pass(time.Duration(rng.IntN(4000)) * time.Millisecond)
			}
			if i%5 == 4 {
				c.send(tea.WindowSizeMsg{Width: rng.IntN(200), Height: rng.IntN(60)})
			}
			if c.width > 0 && c.height > 0 {
				exact(t, c, c.screen())
			}
		}
		if c.crash != nil {
			t.Fatal(c.crash)
		}
		c.send(tea.WindowSizeMsg{Width: int(w), Height: int(h)})
		if c.width > 0 && c.height > 0 {
			exact(t, c, c.screen())
		}
	})
}

// A random walk over all keys, which a fuzzer would take long to discover.
func TestAWalkOverAllKeys(t *testing.T) {
	keys := strings.Fields("j k g G d u m R w P K U M y Y t : / ? s S o space A ctrl+space X z tab 1 2 3 4 5 6 enter enter esc q n " +
		"right left up down a b c 1 5 backspace pgdown end l h ctrl+r ctrl+d ctrl+l")
	names := []string{"pg", "", "\x1b[2J", "日本語\u0301", "a b 'c' \"", strings.Repeat("x", 199), "0\xff", "A/B", "\U0001F1E6\U0001F1E7"}
	for seed := range uint64(25) {
		rng := rand.New(rand.NewPCG(seed, 1))
		name := names[rng.IntN(len(names))]
		c := newConsole(t, chaos(rng, name), rng.IntN(180), rng.IntN(60))
		var walk []string
		for i := range 30 {
			walk = append(walk, keys[rng.IntN(len(keys))])
			c.press(walk[i])
			switch i % 7 {
			case 2:
				c.engine.change(func(f *fake) {
					g := chaos(rng, name)
					f.status, f.waiters, f.sessions = g.status, g.waiters, g.sessions
				})
				c.pass(time.Duration(rng.IntN(4000)) * time.Millisecond)
			case 5:
				c.send(tea.WindowSizeMsg{Width: rng.IntN(180), Height: rng.IntN(60)})
			}
			if c.width > 0 && c.height > 0 {
				exact(t, c, c.screen())
			}
			if c.crash != nil {
				t.Fatal(walk, c.crash)
			}
		}
	}
}

func FuzzCommandLine(f *testing.F) {
	for _, s := range []string{"drain db-front/pg-a --limit 5m --then cut", "weight 'a b' 7", `mark "x\"y" z`, "kick --service office --rate=5/s", "tcpctl pause office --max 05:00", "view all", "sort -act", "filter !x", "theme ../x", "--", "drain --=x"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, line string) {
		c := newConsole(t, edge(), 80, 24)
		c.complete(line)
		c.carry(c.command(line))
		exact(t, c, c.screen())
		// A parsed line, formatted again, must parse to the same request.
		words, err := text.Words(line)
		if err != nil || len(words) == 0 || api.Lookup(words[0]) == nil {
			return
		}
		if r, err := api.ParseWords(words); err == nil {
			r.DryRun, r.Rate = false, 0
			line := r.CommandLine()
			again, err := text.Words(strings.TrimPrefix(line, "tcpctl "))
			if err != nil {
				return // a shell would quote this argument differently
			}
			if r2, err := api.ParseWords(again); err == nil && len(r2.Targets) == len(r.Targets) && r2.Limit != r.Limit {
				t.Errorf("%q becomes %q", line, r2.CommandLine())
			}
		}
	})
}

func FuzzFilter(f *testing.F) {
	for _, s := range []string{"pg !down ~x act>100 state:up", "act>=1.5k", "a:b:c", "<>=", "!!", "~", ":", "in>1gb"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		c := newConsole(t, edge(), 80, 24)
		c.backends.table.SetFilter(s)
		exact(t, c, c.screen())
	})
}
