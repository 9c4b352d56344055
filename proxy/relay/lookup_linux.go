package relay

import (
	"context"
	"net"
	"net/netip"
)

// lookUp finds the addresses of a name, off the loop.
func (c *call) lookUp(l *loop) {
	ctx, cancel := context.WithCancel(context.Background())
	if c.dial.Timeout > 0 {
		ctx, cancel = context.WithTimeout(ctx, c.dial.Timeout)
	}
	c.cancel = cancel
	l.run.aside.Add(1)
	go c.lookUpAside(ctx, l)
}

func (c *call) lookUpAside(ctx context.Context, l *loop) {
	defer l.run.aside.Done()
	defer c.cancel()
	all, err := addresses(ctx, c.dial.Addr)
	l.box.post(mail{do: func(l *loop) {
		switch {
		case c.over:
		case err != nil:
			c.fail(l, err)
		default:
			c.rest = all
			c.tryNext(l)
		}
	}}, nil)
}

func addresses(ctx context.Context, addr string) ([]netip.AddrPort, error) {
	host, service, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, err
	}
	port, err := net.DefaultResolver.LookupPort(ctx, "tcp", service)
	if err != nil {
		return nil, err
	}
	found, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return nil, err
	}
	var all []netip.AddrPort
	for _, a := range found {
		all = append(all, netip.AddrPortFrom(a.Unmap(), uint16(port)))
	}
	return all, nil
}
