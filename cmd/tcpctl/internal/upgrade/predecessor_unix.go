//go:build unix

package upgrade

import (
	"fmt"
	"os"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/tcpctl/tcpctl/proxy"
)

// Predecessor is the process that this one takes over from.
type Predecessor struct {
	line
	Offer Offer
}

// Take finds out whether somebody is to be followed; nil: nobody. It is to be
// called once, before the process runs others.
func Take() (*Predecessor, error) {
	text, ok := os.LookupEnv(variable)
	if !ok {
		return nil, nil
	}
	os.Unsetenv(variable)
	fd, err := strconv.Atoi(text)
	if err != nil || fd < 3 {
		return nil, fmt.Errorf("upgrade: %s=%q is no descriptor; it is set by tcpctl itself, unset it", variable, text)
	}
	unix.CloseOnExec(fd)
	if err := unix.SetNonblock(fd, true); err != nil {
		return nil, fmt.Errorf("upgrade: %s=%s: %w; it is set by tcpctl itself, unset it", variable, text, err)
	}
	p := &Predecessor{line: newLine(os.NewFile(uintptr(fd), "upgrade"))}
	var m message
	if err := p.in.Decode(&m); err != nil || m.Offer == nil || m.Sockets == nil {
		p.conn.Close()
		return nil, errOdd
	}
	p.Offer = *m.Offer
	p.Offer.fill(*m.Sockets, func(name string) *os.File {
		fd++
		unix.CloseOnExec(fd)
		return os.NewFile(uintptr(fd), name)
	})
	return p, nil
}

// Ready says that everything is open, and waits until the other listens no
// more. What that still has is the answer.
func (p *Predecessor) Ready() (map[string]proxy.Rest, error) {
	if err := p.out.Encode(message{Ready: true}); err != nil {
		return nil, fmt.Errorf("upgrade: the old process: %w", err)
	}
	var m message
	if err := p.in.Decode(&m); err != nil {
		return nil, fmt.Errorf("upgrade: the old process: %w", err)
	}
	if !m.Go {
		return nil, errOdd
	}
	return m.Rest, nil
}

// Fail says why it cannot be.
func (p *Predecessor) Fail(why error) {
	p.out.Encode(message{Failed: why.Error()}) // who has gone meanwhile need not know
	p.conn.Close()
}

// Follow tells f what the other still has, whenever that has changed, until it
// has ended: then there is nothing. It returns at that moment, or after Close.
func (p *Predecessor) Follow(f func(map[string]proxy.Rest)) {
	for {
		var m message
		if p.in.Decode(&m) != nil {
			f(nil)
			return
		}
		f(m.Rest)
	}
}

// Close lets the other know that we end.
func (p *Predecessor) Close() error { return p.conn.Close() }
