package relay_test

import (
	"bytes"
	"crypto/sha256"
	"hash"
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
		within(t, "both are counted while it lives", func() bool { return now.client.In() == 5 && now.client.Out() == 8 })
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

func TestWhatAWaiterHasSentComesFirst(t *testing.T) {
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

// TestManyMegabytesBothWays goes through every stage of a direction: buffers,
// splicing, pauses in which it goes back to buffers, and a reader that stalls.
func TestManyMegabytesBothWays(t *testing.T) {
	eachRunner(t, func(t *testing.T, r relay.Runner) {
		b := newBackend(t)
		h := open(t, r, "tcp", b.addr())
		var all sync.WaitGroup
		for range 4 {
			c := h.come()
			s := b.take()
			up, down := both{sha256.New(), sha256.New()}, both{sha256.New(), sha256.New()}
			all.Go(func() { send(t, c, up.sent) })
			all.Go(func() { send(t, s, down.sent) })
			all.Go(func() { collect(t, s, up.got) })
			all.Go(func() { collect(t, c, down.got) })
			defer func() {
				if !up.equal() || !down.equal() {
					t.Error("what came is not what was sent")
				}
			}()
		}
		all.Wait()
		for range 4 {
			if s := next(t, h.over); len(s.ends) != 2 || s.ends[0].End != relay.FIN || s.ends[1].End != relay.FIN {
				t.Errorf("it ended with %v", s.ends)
			}
		}
	})
}

type both struct{ sent, got hash.Hash }

func (b both) equal() bool { return bytes.Equal(b.sent.Sum(nil), b.got.Sum(nil)) }

const bulk = 24 << 20

// send sends in pieces of all sizes, with pauses longer than a splice waits.
func send(t *testing.T, c *net.TCPConn, sum hash.Hash) {
	rnd := rand.NewChaCha8([32]byte{1})
	piece := make([]byte, 256<<10)
	for left := bulk; left > 0; {
		n := min(left, 1+rand.IntN(len(piece)))
		rnd.Read(piece[:n])
		if _, err := c.Write(piece[:n]); err != nil {
			t.Error(err)
			return
		}
		sum.Write(piece[:n])
		left -= n
		if rand.IntN(60) == 0 {
			pause(70)
		}
	}
	c.CloseWrite()
}

func collect(t *testing.T, c *net.TCPConn, sum hash.Hash) {
	buf := make([]byte, 128<<10)
	for {
		n, err := c.Read(buf)
		sum.Write(buf[:n])
		if err == io.EOF {
			return
		}
		if err != nil {
			t.Error(err)
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
		sum := both{sha256.New(), sha256.New()}
		var going sync.WaitGroup
		going.Go(func() { send(t, s, sum.sent) })
		session := next(t, h.begun)
		stood := int64(-1)
		within(t, "nothing moves any more", func() bool {
			pause(150)
			now := session.client.Out()
			still := now == stood && now > 0
			stood = now
			return still
		})
		say(t, c, "are you there?")
		hear(t, s, "are you there?")
		collect(t, c, sum.got)
		going.Wait()
		if !sum.equal() {
			t.Error("what came is not what was sent")
		}
		c.Close()
	})
}
