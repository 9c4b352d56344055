package tui

import (
	"strings"
	"testing"
	"time"
)

// TestAgesAreNotRoundedUp: the strip agrees with the columns beside it and with the command line.
func TestAgesAreNotRoundedUp(t *testing.T) {
	const day = 24 * time.Hour
	for d, want := range map[time.Duration]string{
		0: "0s", 59*time.Second + 999*time.Millisecond: "59s", time.Minute: "1m", 119 * time.Second: "1m",
		time.Hour - 1: "59m", 2*time.Hour - 1: "1h", day - 1: "23h", 6*day - 1: "5d", 6 * day: "6d",
	} {
		if got := age(d); got != want {
			t.Errorf("%v is %s, not %s", d, got, want)
		}
	}
}

// TestASlowStatusIsNotStale: the pause after a query that took long is shorter than what makes the
// screen stale.
func TestASlowStatusIsNotStale(t *testing.T) {
	c := newConsole(t, edge(), 80, 24)
	for _, took := range []time.Duration{300 * time.Millisecond, time.Second, 4 * time.Second} {
		c.fetches[fetchStatus].next = time.Time{}
		begun := c.now
		c.now = c.now.Add(took)
		c.onFetched(fetched{workspace: c.workspace, kind: fetchStatus, begun: begun, status: c.stats.status})
		if next := c.fetches[fetchStatus].next.Sub(c.now); next > staleAfter/2 {
			t.Errorf("after a query of %v the next is in %v", took, next)
		}
	}
}

// TestAnEmptyQueueNamesTheLongest, and its foot never ends within a number.
func TestAnEmptyQueueNamesTheLongest(t *testing.T) {
	c := newConsole(t, edge(), 60, 15)
	c.press("j 2")
	c.sees("no clients waiting; office has 7")
	for _, line := range strings.Split(c.screen(), "\n") {
		if strings.Contains(line, "room") && !strings.Contains(line, " of 1000") {
			t.Errorf("its end is missing: %s", line)
		}
	}
}

// TestWhoHoldsTheSlot: on a narrow screen its session is named, not a few of the digits of its address.
func TestWhoHoldsTheSlot(t *testing.T) {
	engine := edge()
	engine.status.Services[1].Lock.Holders[0].Client = "[fd00:1234:5678:9abc:def0:1234:5678:1]:40112"
	newConsole(t, engine, 80, 24).sees("00:41/02:00 by s4717")
	newConsole(t, edge(), 80, 24).sees("00:41/02:00 by 10.2.0.9")
	newConsole(t, edge(), 66, 24).sees("00:41/02:00 by s4717")
}

// TestSessionsThatWaitAreCounted: the tab counts those that are live.
func TestSessionsThatWaitAreCounted(t *testing.T) {
	engine := edge()
	engine.sessions[6].Ended = nil
	c := newConsole(t, engine, 80, 24)
	c.press("4")
	c.sees("sessions · 1 waiting")
}

// TestALongFilterLeavesTheCount of the rows that it shows.
func TestALongFilterLeavesTheCount(t *testing.T) {
	c := newConsole(t, edge(), 80, 24)
	c.press("/")
	c.write(strings.Repeat("x", 200))
	c.press("enter")
	c.sees("0 of 5 ━━")
}

// TestNumbersThatOutgrowTheirColumns are written in another unit: a cut one is another number.
func TestNumbersThatOutgrowTheirColumns(t *testing.T) {
	engine := edge()
	engine.waiters[0].Position = 12345
	engine.sessions[0].IdleSeconds = 12*3600 + 30*60
	c := newConsole(t, engine, 200, 60)
	c.press("2")
	c.sees("  12k  10.2.0.4:40112")
	c.press("4 z")
	c.sees(" 12h30m")
}

// TestALongHolderOrName keeps what tells it from others: how long the slot is held, and both ends of
// the name.
func TestALongHolderOrName(t *testing.T) {
	engine := edge()
	engine.status.Services[1].Lock.Holders[0].Client = "[fd00:1234:5678:9abc:def0:1234:5678:1]:40112"
	engine.status.Services[0].Backends[3].Name = "eu-central-1a-primary-0002"
	c := newConsole(t, engine, 60, 22)
	c.press("2")
	c.sees("HOLDER [fd00", ":40112  s4717   held 00:41/02:00")
	c = newConsole(t, engine, 80, 30)
	c.press("1 G k k")
	c.sees("-0002 last checks")
}
