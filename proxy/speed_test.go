package proxy

import (
	"fmt"
	"net"
	"testing"

	"github.com/tcpctl/tcpctl/proxy/internal/balance"
	"github.com/tcpctl/tcpctl/proxy/relay"
)

// idleService is a service with backends that are up, and no listener.
func idleService(b *testing.B, backends int, change func(*ServiceConfig)) *Service {
	b.Helper()
	c := ServiceConfig{Name: "db", Listen: []string{"127.0.0.1:0"}, Check: CheckConfig{Type: "none"}, Queue: QueueConfig{Max: -1}}
	for i := range backends {
		c.Backends = append(c.Backends, BackendConfig{Addr: fmt.Sprintf("10.0.0.%d:5432", i+1)})
	}
	change(&c)
	e, err := New(Config{Services: []ServiceConfig{c}})
	if err != nil {
		b.Fatal(err)
	}
	s := e.services[0]
	s.queue.View(func() {
		for _, b := range s.backends.all {
			b.tracker.Add(true)
		}
	})
	return s
}

// deaf is a runner for sessions that only wait in the queue.
type deaf struct{ relay.Stream }

func (*deaf) Post(relay.Task, relay.Event) {}

func (s *Service) bystander(client *relay.Side) *Session {
	sess := &Session{service: s, client: client}
	run := relay.Runner(&deaf{})
	sess.runs.Store(&run)
	sess.waiter.Owner = sess
	return sess
}

func someClient(b *testing.B) *relay.Side {
	b.Helper()
	c, other := net.Pipe()
	b.Cleanup(func() {
		c.Close()
		other.Close()
	})
	return relay.NewSide(c)
}

// BenchmarkJoinAndChoose is the queue's cost for a session that need not wait: join,
// choose one of ten backends, release.
func BenchmarkJoinAndChoose(b *testing.B) {
	for _, policy := range balance.Names {
		b.Run(policy, func(b *testing.B) {
			s := idleService(b, 10, func(c *ServiceConfig) { c.Balance = policy })
			sess := s.bystander(someClient(b))
			b.ReportAllocs()
			for b.Loop() {
				if in, err := s.queue.Join(&sess.waiter); !in || err != nil {
					b.Fatal(in, err)
				}
				sess.waiter.Permit().Release()
			}
		})
	}
}

// BenchmarkHandOver passes a slot to the next of many waiters.
func BenchmarkHandOver(b *testing.B) {
	for _, n := range []int{1_000, 100_000, 1_000_000} {
		b.Run(fmt.Sprint(n, " waiters"), func(b *testing.B) {
			line := waiters(b, n)
			b.ReportAllocs()
			for n := 0; b.Loop(); n++ {
				holder := line[n%len(line)]
				holder.waiter.Permit().Release()
				holder.service.queue.Join(&holder.waiter) // at the end again
			}
		})
	}
}

// BenchmarkAbandon is a waiter that leaves from the middle of the queue.
func BenchmarkAbandon(b *testing.B) {
	for _, n := range []int{1_000, 100_000, 1_000_000} {
		b.Run(fmt.Sprint(n, " waiters"), func(b *testing.B) {
			line := waiters(b, n)
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				w := line[1+(i*7919)%(n-1)]
				w.service.queue.Remove(&w.waiter)
				w.service.queue.Join(&w.waiter)
			}
		})
	}
}

// waiters returns n sessions of a service with one slot, which the first holds.
func waiters(b *testing.B, n int) []*Session {
	s := idleService(b, 1, func(c *ServiceConfig) { c.Lock.Slots = 1 })
	client := someClient(b)
	line := make([]*Session, n)
	for i := range line {
		line[i] = s.bystander(client)
		s.live.add(line[i])
		s.queue.Join(&line[i].waiter)
	}
	return line
}

// BenchmarkServices is the whole status of a service with many sessions, as needed for
// each draw of the console and each scrape of the metrics.
func BenchmarkServices(b *testing.B) {
	for _, n := range []int{0, 1_000, 10_000, 100_000, 1_000_000} {
		b.Run(fmt.Sprint(n, " sessions"), func(b *testing.B) {
			s := idleService(b, 10, func(*ServiceConfig) {})
			client := someClient(b)
			for range n {
				sess := s.bystander(client)
				s.live.add(sess)
				s.queue.Join(&sess.waiter)
			}
			b.ReportAllocs()
			for b.Loop() {
				s.engine.Operator().Services()
			}
		})
	}
}

// BenchmarkWaitingServices is the same with all but one of them waiting.
func BenchmarkWaitingServices(b *testing.B) {
	for _, n := range []int{1_000, 100_000, 1_000_000} {
		b.Run(fmt.Sprint(n, " waiters"), func(b *testing.B) {
			s := waiters(b, n)[0].service
			b.ReportAllocs()
			for b.Loop() {
				s.engine.Operator().Services()
			}
		})
	}
}
