package relay_test

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"testing"

	"github.com/tcpctl/tcpctl/proxy/relay"
)

func TestWordsGoBothWaysAndAreCounted(t *testing.T) {
	eachRunner(t, func(t *testing.T, r relay.Runner) {
		b := newBackend(t)
		h := open(t, r, "tcp", b.addr())
		c := h.come()
		s := b.take()
		say(t, c, "hello")
		hear(t, s, "hello")
		say(t, s, "good day")
		hear(t, c, "good day")
		now := next(t, h.begun)
		within(t, "both directions are counted while the session lives", func() bool { return now.client.In() == 5 && now.client.Out() == 8 })
		local := make(chan string, 1)
		now.signal(func(s *session) { local <- s.client.Local().String() })
		if at := receive(t, local); now.client.Name() != c.LocalAddr().String() || at != h.l.Addr().String() {
			t.Errorf("the client is %s, at %s", now.client.Name(), at)
		}
		c.Close()
		s.Close()
		over := next(t, h.over)
		if over.client.In() != 5 || over.backend.In() != 8 || over.backend.Out() != 5 {
			t.Errorf("%d from the client, %d from the backend, %d to it", over.client.In(), over.backend.In(), over.backend.Out())
		}
	})
}

func TestTheBackendMaySpeakFirst(t *testing.T) {
	eachRunner(t, func(t *testing.T, r relay.Runner) {
		b := newBackend(t)
		h := open(t, r, "tcp", b.addr())
		c := h.come()
		say(t, b.take(), "220 ready")
		hear(t, c, "220 ready")
		reset(c)
		next(t, h.over)
	})
}

func TestAWaitersBytesComeFirst(t *testing.T) {
	eachRunner(t, func(t *testing.T, r relay.Runner) {
		b := newBackend(t)
		h := open(t, r, "tcp", b.addr(), holding)
		c := h.come()
		say(t, c, "early")
		s := next(t, h.begun)
		s.signal(goOn)
		say(t, c, " and late")
		hear(t, b.take(), "early and late")
		c.Close()
	})
}

func TestOneByteAtATime(t *testing.T) {
	eachRunner(t, func(t *testing.T, r relay.Runner) {
		h := open(t, r, "tcp", newBackend(t).echo().addr())
		c := h.come()
		sent := make([]byte, 3000)
		var going sync.WaitGroup
		going.Go(func() {
			for i := range sent {
				sent[i] = byte(rand.Uint32())
				c.Write(sent[i : i+1])
			}
			c.CloseWrite()
		})
		got, err := io.ReadAll(c)
		going.Wait()
		if err != nil || !bytes.Equal(got, sent) {
			t.Errorf("%d of %d bytes came back, %v", len(got), len(sent), err)
		}
	})
}

// TestManyMegabytesBothWays goes through every stage of a direction: buffers, splicing,
// pauses that return it to buffers, and a reader that stalls.
func TestManyMegabytesBothWays(t *testing.T) {
	eachRunner(t, func(t *testing.T, r relay.Runner) {
		b := newBackend(t)
		h := open(t, r, "tcp", b.addr())
		var all sync.WaitGroup
		for range 4 {
			c := h.come()
			s := b.take()
			up, down := bulk(), bulk()
			all.Go(func() { send(t, c, up) })
			all.Go(func() { send(t, s, down) })
			all.Go(func() { collect(t, s, up) })
			all.Go(func() { collect(t, c, down) })
		}
		all.Wait()
		for range 4 {
			if s := next(t, h.over); len(s.ends) != 2 || s.ends[0].End != relay.FIN || s.ends[1].End != relay.FIN {
				t.Errorf("it ended with %v", s.ends)
			}
		}
	})
}

// bulk is random bytes that differ from all other streams, and must not be changed.
func bulk() []byte {
	from := rand.IntN(8 << 20)
	return random()[from:][:24<<20]
}

var random = sync.OnceValue(func() []byte {
	b := make([]byte, 32<<20)
	rand.NewChaCha8([32]byte{1}).Read(b)
	return b
})

// expected is what must still arrive: a Write of anything else fails.
type expected []byte

func (e *expected) Write(p []byte) (int, error) {
	if !bytes.HasPrefix(*e, p) {
		return 0, errors.New("the bytes have changed")
	}
	*e = (*e)[len(p):]
	return len(p), nil
}

// send sends in pieces of all sizes, with pauses longer than a splice waits.
func send(t *testing.T, c *net.TCPConn, all []byte) {
	for len(all) > 0 {
		n := min(len(all), 1+rand.IntN(256<<10))
		if _, err := c.Write(all[:n]); err != nil {
			t.Error(err)
			return
		}
		all = all[n:]
		if rand.IntN(60) == 0 {
			pause(70)
		}
	}
	c.CloseWrite()
}

func collect(t *testing.T, c *net.TCPConn, want expected) {
	buf := make([]byte, 128<<10)
	for {
		n, err := c.Read(buf)
		if err == io.EOF && len(want) == 0 {
			return
		}
		if _, other := want.Write(buf[:n]); err != nil || other != nil {
			t.Errorf("%d bytes before the end: %v", len(want), errors.Join(err, other))
			return
		}
		if rand.IntN(300) == 0 {
			pause(120)
		}
	}
}

// TestAStalledReaderHoldsUpOneDirectionOnly and loses nothing.
func TestAStalledReaderHoldsUpOneDirectionOnly(t *testing.T) {
	eachRunner(t, func(t *testing.T, r relay.Runner) {
		b := newBackend(t)
		h := open(t, r, "tcp", b.addr())
		c := h.come()
		s := b.take()
		all := bulk()
		var going sync.WaitGroup
		going.Go(func() { send(t, s, all) })
		session := next(t, h.begun)
		stood := int64(-1)
		within(t, "the stream stalls", func() bool {
			pause(150)
			now := session.client.Out()
			still := now == stood && now > 0
			stood = now
			return still
		})
		say(t, c, "are you there?")
		hear(t, s, "are you there?")
		collect(t, c, all)
		going.Wait()
		c.Close()
	})
}
