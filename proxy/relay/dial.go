package relay

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"syscall"
	"time"

	"github.com/tcpctl/tcpctl/proxy/internal/abort"
)

// Connect dials as d says, outside of any task. The stream runner and the health
// checks use it, so that a check connects as a session does. It tries the
// addresses one after another, each for an equal part of the remaining time; the
// error is the first that is the backend's and not this process's. The caller
// owns the connection.
func Connect(ctx context.Context, d Dial) (net.Conn, error) {
	if d.Timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, d.Timeout)
		defer cancel()
	}
	switch {
	case d.Func != nil:
		c, err := d.Func(ctx, d.Network, d.Addr)
		if err == nil {
			c, err = notItself(c)
		}
		return d.secure(ctx, c, err)
	case d.Network == "unix":
		c, err := d.connectUnix(ctx)
		return d.secure(ctx, c, err)
	}
	all, err := d.addresses(ctx)
	if err != nil {
		return nil, err
	}
	var failed error
	for i, to := range all {
		c, err := d.connectTo(ctx, to, len(all)-i)
		if err == nil {
			return c, nil
		}
		failed = preferError(failed, err)
		if ctx.Err() != nil {
			break
		}
	}
	return nil, failed
}

// secure applies Secure to a connection, and closes it if that fails.
func (d *Dial) secure(ctx context.Context, c net.Conn, err error) (net.Conn, error) {
	if err != nil || d.Secure == nil {
		return c, err
	}
	keepUrgentOf(c)
	done := false
	defer func() {
		if !done { // also after a panic
			c.Close()
		}
	}()
	over, err := d.Secure(ctx, c)
	done = err == nil
	return over, err
}

// connectTo tries one address, for its share of the time.
func (d *Dial) connectTo(ctx context.Context, to netip.AddrPort, shares int) (net.Conn, error) {
	if until, ok := ctx.Deadline(); ok && shares > 1 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Until(until)/time.Duration(shares))
		defer cancel()
	}
	c, err := d.connectFrom(ctx, to)
	return d.secure(ctx, c, err)
}

// connectFrom tries one address, from each suitable source until one has a free port.
func (d *Dial) connectFrom(ctx context.Context, to netip.AddrPort) (c net.Conn, err error) {
	for try := 0; ; try++ {
		from, more := d.source(to.Addr(), try)
		dialer := net.Dialer{KeepAliveConfig: d.Sock.keepAlive()}
		if d.Quiet {
			dialer.KeepAlive, dialer.KeepAliveConfig = -1, net.KeepAliveConfig{}
		}
		d.prepare(&dialer, from)
		dialer.SetMultipathTCP(false)
		c, err = dialer.DialContext(ctx, "tcp", to.String())
		if err == nil {
			d.Sock.adjustConn(c)
			return notItself(c)
		}
		if lack := LackOf(err); !more || lack != LackPorts && lack != LackSource {
			return c, err
		}
	}
}

// notItself refuses a connection to itself. If nothing listens on a port of the
// ephemeral range, connect may choose that port as its own and reach itself, which also
// keeps the backend from listening.
func notItself(c net.Conn) (net.Conn, error) {
	own, ok := c.LocalAddr().(*net.TCPAddr)
	other, _ := c.RemoteAddr().(*net.TCPAddr)
	if !ok || other == nil || own.AddrPort() != other.AddrPort() {
		return c, nil
	}
	abort.Close(c)
	return nil, &net.OpError{Op: "dial", Net: "tcp", Addr: other, Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}
}

// connectUnix waits while the backlog of the socket is full, as TCP does.
func (d *Dial) connectUnix(ctx context.Context) (net.Conn, error) {
	for {
		c, err := new(net.Dialer).DialContext(ctx, "unix", d.Addr)
		if !errors.Is(err, syscall.EAGAIN) {
			return c, err
		}
		select {
		case <-ctx.Done():
			return nil, &net.OpError{Op: "dial", Net: "unix", Addr: dialled(d.Addr), Err: os.ErrDeadlineExceeded}
		case <-time.After(busyRetry):
		}
	}
}

// source returns the local address to connect from, and whether there is another one to
// try after it; the zero Addr leaves the choice to the system.
func (d *Dial) source(to netip.Addr, try int) (from netip.Addr, more bool) {
	of := 0
	for _, a := range d.Source {
		if sameFamily(a, to) {
			of++
		}
	}
	if of == 0 {
		return netip.Addr{}, false
	}
	n := (int(d.SourceOffset%uint32(of)) + try) % of
	for _, a := range d.Source {
		if !sameFamily(a, to) {
			continue
		}
		if n == 0 {
			from = a
			break
		}
		n--
	}
	return from, try+1 < of
}

func sameFamily(a, b netip.Addr) bool { return a.Is4() == b.Is4() && a.Is4In6() == b.Is4In6() }

// addresses returns the addresses of the backend's name.
func (d *Dial) addresses(ctx context.Context) ([]netip.AddrPort, error) {
	if to, err := netip.ParseAddrPort(d.Addr); err == nil {
		return []netip.AddrPort{netip.AddrPortFrom(to.Addr().Unmap(), to.Port())}, nil
	}
	host, service, err := net.SplitHostPort(d.Addr)
	if err != nil {
		return nil, err
	}
	port, err := net.DefaultResolver.LookupPort(ctx, "tcp", service)
	if err != nil {
		return nil, err
	}
	found, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return nil, lookupError(err)
	}
	var all []netip.AddrPort
	for _, a := range found {
		all = append(all, netip.AddrPortFrom(a.Unmap(), uint16(port)))
	}
	return all, nil
}

// lookupError is the error of a failed lookup. The resolver reports a lack of
// descriptors only as text: opening a socket shows it.
func lookupError(err error) error {
	c, lack := net.ListenPacket("udp", "127.0.0.1:0")
	if lack == nil {
		c.Close()
		return err
	}
	if LackOf(lack) != "" {
		return lack
	}
	return err
}

// dialled is the address in a dial's error.
type dialled string

func (d dialled) Network() string { return "" }
func (d dialled) String() string  { return string(d) }

// busyRetry is the delay before retrying a Unix socket whose backlog was full; the
// kernel does not notify of room.
const busyRetry = 5 * time.Millisecond
