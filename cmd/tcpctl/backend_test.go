package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"runtime"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/tcpctl/tcpctl/proxy/proxytest"
)

// backend is a server that echoes each line after its name. It can die and come back at the same
// address.
type backend struct {
	name, addr string
	port       *proxytest.Port // keeps addr reserved while it is dead

	mu    sync.Mutex
	ln    net.Listener
	conns map[net.Conn]bool
	moody bool // it resets each client after its first request
	wg    sync.WaitGroup
}

// startBackend starts a backend that runs until the test ends, if it is not ended before.
func startBackend(t testing.TB, name string) *backend {
	t.Helper()
	b, err := newBackend(name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.die)
	return b
}

func newBackend(name string) (*backend, error) {
	port, err := proxytest.Reserve()
	if err != nil {
		return nil, err
	}
	b := &backend{name: name, addr: port.Addr, port: port, conns: map[net.Conn]bool{}}
	runtime.AddCleanup(b, (*proxytest.Port).Release, port)
	return b, b.start()
}

func (b *backend) start() error {
	ln, err := net.Listen("tcp", b.addr)
	if err != nil {
		return err
	}
	b.mu.Lock()
	b.ln = ln
	b.mu.Unlock()
	b.wg.Add(1)
	go b.acceptAll(ln)
	return nil
}

// die has the effect of kill -9: each connected client sees a reset.
func (b *backend) die() {
	b.mu.Lock()
	proxytest.StopListening(b.ln)
	for c := range b.conns {
		c.(*net.TCPConn).SetLinger(0)
		c.Close()
	}
	b.mu.Unlock()
	b.wg.Wait()
}

func (b *backend) acceptAll(ln net.Listener) {
	defer b.wg.Done()
	for {
		c, err := ln.Accept()
		if err != nil {
			return
		}
		b.mu.Lock()
		b.conns[c] = true
		b.mu.Unlock()
		b.wg.Add(1)
		go b.serve(c)
	}
}

func (b *backend) serve(c net.Conn) {
	defer b.wg.Done()
	for lines := bufio.NewScanner(c); lines.Scan(); {
		if b.resets(c) {
			break
		}
		fmt.Fprintf(c, "%s: %s\n", b.name, lines.Text())
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	c.Close()
	delete(b.conns, c)
}

// resets reports whether the backend is moody or dead and, if so, makes the close of c a reset.
func (b *backend) resets(c net.Conn) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.moody {
		c.(*net.TCPConn).SetLinger(0)
	}
	return b.moody
}

func (b *backend) setMoody(moody bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.moody = moody
}

// patience is generous: it only catches hangs.
const patience = time.Minute

// pace is the pause between two visits of a client that visits repeatedly. Without it, a few of
// these clients would starve the other tests.
const pace = 5 * time.Millisecond

// slowPace is the pace of many clients over many seconds.
const slowPace = 10 * pace

// client is a client that talks in lines.
type client struct {
	*net.TCPConn
	r        *bufio.Reader
	gone     string        // how the connection ended, if a write failed
	patience time.Duration // for each line and for the end, however long it lives
}

func dial(addr string) (*client, error) {
	c, err := net.DialTimeout("tcp", addr, patience)
	if err != nil {
		return nil, err
	}
	c.SetDeadline(time.Now().Add(patience))
	return &client{TCPConn: c.(*net.TCPConn), r: bufio.NewReader(c), patience: patience}, nil
}

func (c *client) renew() { c.SetDeadline(time.Now().Add(c.patience)) }

// says also records a reset: the failed write consumes the error, and a later read would see only
// the end.
func (c *client) says(line string) error {
	c.renew()
	_, err := fmt.Fprintln(c, line)
	if errors.Is(err, syscall.ECONNRESET) {
		c.gone = "reset"
	}
	return err
}

func (c *client) hears(line string) error {
	c.renew()
	got, err := c.r.ReadString('\n')
	if err == nil && got != line+"\n" {
		err = fmt.Errorf("heard %q, not %q", got, line)
	}
	return err
}

// sees waits for the end of the connection, "fin" or "reset".
func (c *client) sees() (string, error) {
	if c.gone != "" {
		return c.gone, nil
	}
	c.renew()
	_, err := io.Copy(io.Discard, c.r)
	switch {
	case err == nil:
		return "fin", nil
	case errors.Is(err, syscall.ECONNRESET):
		return "reset", nil
	}
	return "", err
}

func (c *client) resets() {
	c.SetLinger(0)
	c.Close()
}
