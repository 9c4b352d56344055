package tui

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/tcpctl/tcpctl/proxy"
)

// TestAWarningIsReadable: what to do next is at its end, so it is not cut; a message that is only
// news is.
func TestAWarningIsReadable(t *testing.T) {
	text := "plan: there is no plan of this name here, or no longer (tcpctl plan lists those that run now; see the last one)"
	c := healthy(t, 80, 24)
	c.message.show(proxy.LevelWarn, text)
	c.sees("> plan: there is no plan", "see the last one)")
	c.message.show(proxy.LevelAlarm, strings.Repeat(text+" ", 5))
	c.sees("> plan: there is no plan", "…")
	c.message.show(proxy.LevelGood, text)
	c.seesNot("see the last one)")
	c.message.show(proxy.LevelWarn, text)
	c.press("d") // a question has those lines
	c.seesNot("see the last one)")
	c.sees("drain db-front/pg-a? [y/N]")
}

// TestAKeyThatIsOffSaysWhyFirst: the reason must not be what a narrow screen cuts.
func TestAKeyThatIsOffSaysWhyFirst(t *testing.T) {
	c := newConsole(t, edge(), 60, 11)
	c.press("k d")
	c.sees("> drain: the cursor is on a service")
}

// TestAnActWithoutAnAnswer: whoever has confirmed it must see that it was not lost.
func TestAnActWithoutAnAnswer(t *testing.T) {
	c := healthy(t, 80, 24)
	c.press("d")
	_, cmd := c.Update(keyMsg("y")) // the engine is stopped: there is no answer
	c.sees("drain db-front/pg-a: not answered yet")
	c.carry(cmd)
	c.seesNot("not answered yet")

	c.engine.change(func(f *fake) { f.refuse = errors.New("refused") })
	c.press("P tab enter")
	c.seesNot("not answered yet")
}

// TestAnUndoThatComesTooLate: it must not read as if ready had been asked for.
func TestAnUndoThatComesTooLate(t *testing.T) {
	c := healthy(t, 80, 24)
	c.press("d y")
	c.engine.change(func(f *fake) { f.refuse = errors.New("db-front/pg-a has changed since it was shown") })
	c.press("U")
	c.sees("> not undone: db-front/pg-a has changed since it was shown")
}

// TestTheWeightIsTypedAnew: 5 means 5, not 1005.
func TestTheWeightIsTypedAnew(t *testing.T) {
	c := healthy(t, 80, 24)
	c.press("w")
	c.sees("weight of db-front/pg-a: [100]")
	c.press("enter")
	c.sees("weight: nothing was done")
	c.did()
	c.press("w 5 enter")
	c.did("tcpctl weight db-front/pg-a 5")
}

// TestWhyTheEngineIsSilent: STALE alone does not say whether its process hangs or has gone.
func TestWhyTheEngineIsSilent(t *testing.T) {
	c := newConsole(t, edge(), 80, 24)
	c.engine.change(func(f *fake) { f.err = errors.New("no instance answers on the socket") })
	c.look()
	c.seesNot("no instance answers") // yet: it may be an upgrade
	c.now = c.now.Add(staleAfter + time.Second)
	c.look()
	c.sees("STALE 3s", "> no instance answers on the socket")
	c.press("n")
	c.look()
	c.seesNot("no instance answers") // once is enough
	c.engine.change(func(f *fake) { f.err = nil })
	c.pass(time.Second)
	c.sees("live again")
}
