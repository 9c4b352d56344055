package meshtest

import (
	"fmt"
	"net"
	"net/netip"
	"sync"
)

type listener struct {
	host  *Host
	addr  netip.AddrPort
	queue chan net.Conn
	done  chan struct{}
	once  sync.Once
}

func (l *listener) Accept() (net.Conn, error) {
	for {
		frozen, changed := l.host.isFrozen()
		if !frozen {
			select {
			case c := <-l.queue:
				return c, nil
			case <-l.done:
				return nil, net.ErrClosed
			case <-changed: // check again whether the host is frozen
				continue
			}
		}
		select {
		case <-changed:
		case <-l.done:
			return nil, net.ErrClosed
		}
	}
}

func (l *listener) Close() error {
	l.once.Do(func() {
		close(l.done)
		l.host.net.mu.Lock()
		delete(l.host.ports, l.addr.Port())
		l.host.net.mu.Unlock()
		for { // these will not be accepted
			select {
			case c := <-l.queue:
				c.Close()
			default:
				return
			}
		}
	})
	return nil
}

func (l *listener) Addr() net.Addr { return net.TCPAddrFromAddrPort(l.addr) }

// connect puts one end of a new connection into the listener's queue.
func (h *Host) connect(l *listener) (net.Conn, error) {
	h.net.mu.Lock()
	from := netip.AddrPortFrom(h.ip, 40000+h.nextPort)
	h.nextPort++
	ab, ba := newStream(), newStream()
	near := &end{host: h, peer: l.host, in: ba, out: ab, local: from, remote: l.addr}
	far := &end{host: l.host, peer: h, in: ab, out: ba, local: l.addr, remote: from}
	h.ends = append(h.ends, near)
	l.host.ends = append(l.host.ends, far)
	h.net.mu.Unlock()
	select {
	case <-l.done:
		return nil, fmt.Errorf("meshtest: dial %s: connection refused", l.addr)
	case l.queue <- far:
		return near, nil
	}
}
