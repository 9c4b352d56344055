package mesh

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/tcpctl/tcpctl/mesh/meshinfo"
)

// Event is a change of a peer. Its record may come first: an update of a peer that is not yet alive.
type Event struct {
	Kind string        `json:"event"` // the new State (Peer.Cause says why it is down), or EventUpdate
	Peer meshinfo.Peer `json:"peer"`
	At   time.Time     `json:"at"`
}

// EventUpdate is the Kind of a new record.
const EventUpdate = "update"

// maxEvents is how far a slow reader of Events may fall behind.
const maxEvents = 1024

// subscriber is one call of Events.
type subscriber struct {
	mu    sync.Mutex
	queue []Event
	wake  chan struct{}
}

// Events sends every change until ctx ends or the node closes; then the channel is closed. It begins with one "alive" or
// "suspect" for each peer that is connected already. A slow reader gets of each peer's updates the newest only, and when it
// is 1,024 events behind, the oldest are dropped: Peers has the present at any time.
func (n *Node) Events(ctx context.Context) <-chan Event {
	ch := make(chan Event)
	s := &subscriber{wake: make(chan struct{}, 1)}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.closed {
		close(ch)
		return ch
	}
	for _, p := range n.peers {
		if p.state != meshinfo.Down {
			s.push(Event{Kind: string(p.state), Peer: p.value(), At: time.Now()})
		}
	}
	n.subscribers = append(n.subscribers, s)
	n.wg.Go(func() { n.deliver(ctx, s, ch) })
	return ch
}

func (n *Node) deliver(ctx context.Context, s *subscriber, ch chan<- Event) {
	defer close(ch)
	defer n.unsubscribe(s)
	for {
		select {
		case <-ctx.Done():
			return
		case <-n.lifetime.Done():
			return
		case <-s.wake:
		}
		for e, ok := s.pop(); ok; e, ok = s.pop() {
			select {
			case ch <- e:
			case <-ctx.Done():
				return
			case <-n.lifetime.Done():
				return
			}
		}
	}
}

func (n *Node) unsubscribe(s *subscriber) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.subscribers = slices.DeleteFunc(n.subscribers, func(other *subscriber) bool { return other == s })
}

// publish is called with node.mu held, and never waits.
func (n *Node) publish(e Event) {
	e.At = time.Now()
	for _, s := range n.subscribers {
		s.push(e)
	}
}

func (s *subscriber) push(e Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if e.Kind == EventUpdate { // replaces an earlier one that is still unread
		s.queue = slices.DeleteFunc(s.queue, func(old Event) bool { return old.Kind == EventUpdate && old.Peer.ID == e.Peer.ID })
	}
	if len(s.queue) >= maxEvents {
		s.queue = slices.Delete(s.queue, 0, 1)
	}
	s.queue = append(s.queue, e)
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

func (s *subscriber) pop() (Event, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.queue) == 0 {
		return Event{}, false
	}
	e := s.queue[0]
	s.queue = slices.Delete(s.queue, 0, 1)
	return e, true
}
