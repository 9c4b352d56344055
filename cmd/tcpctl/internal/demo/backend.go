package demo

import (
	"io"
	"net"
	"sync"
)

// Backend is an echo server that can be stopped and started again at the same
// address.
type Backend struct {
	Name string
	addr string

	mu    sync.Mutex
	ln    net.Listener // nil: stopped
	conns map[net.Conn]bool
	wg    sync.WaitGroup
}

// NewBackend starts one on a free port of loopback.
func NewBackend(name string) (*Backend, error) {
	b := &Backend{Name: name, addr: "127.0.0.1:0", conns: map[net.Conn]bool{}}
	if err := b.Start(); err != nil {
		return nil, err
	}
	b.addr = b.ln.Addr().String()
	return b, nil
}

// Addr is where it listens, or will again.
func (b *Backend) Addr() string { return b.addr }

// Start listens; it does nothing when it does so already.
func (b *Backend) Start() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.ln != nil {
		return nil
	}
	ln, err := net.Listen("tcp", b.addr)
	if err != nil {
		return err
	}
	b.ln = ln
	b.wg.Go(func() { b.acceptAll(ln) })
	return nil
}

// Stop closes the listener and resets what is connected, as a crash does.
func (b *Backend) Stop() {
	b.mu.Lock()
	if b.ln != nil {
		b.ln.Close()
		b.ln = nil
	}
	for c := range b.conns {
		c.(*net.TCPConn).SetLinger(0)
		c.Close()
	}
	b.mu.Unlock()
	b.wg.Wait()
}

func (b *Backend) acceptAll(ln net.Listener) {
	for {
		c, err := ln.Accept()
		if err != nil {
			return
		}
		b.mu.Lock()
		if b.ln != ln { // stopped meanwhile
			c.Close()
		} else {
			b.conns[c] = true
			b.wg.Go(func() { b.echo(c) })
		}
		b.mu.Unlock()
	}
}

func (b *Backend) echo(c net.Conn) {
	io.Copy(c, c)
	c.Close()
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.conns, c)
}
