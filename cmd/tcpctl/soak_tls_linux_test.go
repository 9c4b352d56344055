package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// soakOpenSSL is an openssl s_client as a net.Conn. It updates its keys while it sends, and makes
// the other side update its own.
type soakOpenSSL struct {
	net.Conn // beneath it
	cmd      *exec.Cmd
	in       *os.File
	out      io.ReadCloser
	says     bytes.Buffer // its standard error; complete after Wait
	parts    int
	carried  chan struct{} // closed when both directions between it and Conn have ended
}

// newSoakOpenSSL starts an s_client that speaks TLS over raw.
func newSoakOpenSSL(raw net.Conn) (*soakOpenSSL, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	defer l.Close()
	c := &soakOpenSSL{Conn: raw, carried: make(chan struct{})}
	c.cmd = exec.Command("openssl", "s_client", "-connect", l.Addr().String(), "-quiet", "-no_ign_eof")
	read, in, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer read.Close() // s_client has its own copy
	c.in, c.cmd.Stdin, c.cmd.Stderr = in, read, &c.says
	if c.out, err = c.cmd.StdoutPipe(); err == nil {
		err = c.cmd.Start()
	}
	if err != nil {
		in.Close()
		return nil, err
	}
	l.(*net.TCPListener).SetDeadline(time.Now().Add(patience))
	client, err := l.Accept()
	if err != nil {
		in.Close()
		c.cmd.Process.Kill()
		c.cmd.Wait()
		return nil, err
	}
	go c.carry(client.(*net.TCPConn))
	return c, nil
}

// carry relays between s_client and the proxy, including their ends.
func (c *soakOpenSSL) carry(client *net.TCPConn) {
	defer close(c.carried)
	pass := func(to, from *net.TCPConn) {
		if _, err := io.Copy(to, from); err != nil {
			soakAbort(to)
			soakAbort(from)
			return
		}
		to.CloseWrite()
	}
	var both sync.WaitGroup
	both.Go(func() { pass(client, soakTCP(c.Conn)) })
	both.Go(func() { pass(soakTCP(c.Conn), client) })
	both.Wait()
	client.Close()
}

func (c *soakOpenSSL) NetConn() net.Conn { return c.Conn }

// Read returns io.EOF only if TLS ended with close_notify: otherwise s_client fails.
func (c *soakOpenSSL) Read(b []byte) (int, error) {
	n, err := c.out.Read(b)
	if err != io.EOF {
		return n, err
	}
	if failed := c.cmd.Wait(); failed != nil {
		return n, fmt.Errorf("%w: %w: %s", syscall.ECONNRESET, failed, &c.says)
	}
	return n, io.EOF
}

// isCommand reports whether s_client takes input that begins with b for a command.
func isCommand(b byte) bool { return bytes.IndexByte([]byte("QRKkB"), b) >= 0 }

// Write sends b, which must not begin like a command, in parts with commands in between: K updates
// the keys and asks the server to do so, k only updates them. s_client looks at the beginning of
// each read, so parts are passed one at a time.
func (c *soakOpenSSL) Write(b []byte) (n int, err error) {
	for len(b) > 0 {
		size := min(len(b), 4096)
		for size < len(b) && isCommand(b[size]) {
			size--
		}
		if c.parts++; c.parts%3 != 1 { // no command after the last part: the server may have ended
			if err := c.give([]byte([]string{"K\n", "k\n"}[c.parts%2])); err != nil {
				return n, err
			}
		}
		if err := c.give(b[:size]); err != nil {
			return n, err
		}
		n, b = n+size, b[size:]
	}
	return n, nil
}

// give passes b to s_client, and returns once it was read.
func (c *soakOpenSSL) give(b []byte) error {
	if _, err := c.in.Write(b); err != nil {
		return syscall.ECONNRESET
	}
	for ended := false; ; {
		unread, err := unix.IoctlGetInt(int(c.in.Fd()), unix.TIOCINQ)
		if err != nil || unread == 0 {
			return err
		}
		if ended {
			return syscall.ECONNRESET
		}
		p := []unix.PollFd{{Fd: int32(c.in.Fd())}}
		_, err = unix.Poll(p, 1)
		ended = err == nil && p[0].Revents&unix.POLLERR != 0 // s_client may have read b before
	}
}

func (c *soakOpenSSL) Close() error {
	c.Conn.Close()
	c.in.Close()
	c.cmd.Process.Kill()
	c.cmd.Wait()
	<-c.carried
	return nil
}

// disturb is a TLS client that misbehaves: it stalls, ends or resets its handshake, sends something
// else, or renegotiates. Other clients must not notice.
func (s *soak) disturb(at soakService, r *rand.Rand) {
	s.disturbed.Add(1)
	odd := r.IntN(5)
	if odd == 4 {
		s.renegotiate(at)
		return
	}
	raw, err := net.DialTimeout("tcp", at.addr, patience)
	if err != nil {
		return // reset at once
	}
	raw.SetDeadline(time.Now().Add(patience))
	var shaking sync.WaitGroup
	defer shaking.Wait()
	defer raw.Close()
	if odd == 3 {
		raw.Write(soakPart(uint64(r.IntN(1000)), uint32(1+r.IntN(600))))
	} else {
		cut := &cutConn{Conn: raw, most: 1 + r.IntN(2000)}
		shaking.Go(func() { tls.Client(cut, &tls.Config{InsecureSkipVerify: true}).Handshake() })
	}
	time.Sleep(time.Duration(r.IntN(300)) * time.Millisecond)
	switch odd {
	case 0:
		soakAbort(raw)
	case 1:
		raw.(*net.TCPConn).CloseWrite()
		io.Copy(io.Discard, raw)
	}
}

// renegotiate asks for another handshake within TLS 1.2, which is refused.
func (s *soak) renegotiate(at soakService) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, "openssl", "s_client", "-connect", at.addr, "-tls1_2", "-quiet", "-no_ign_eof")
	in, err := cmd.StdinPipe()
	if err != nil || cmd.Start() != nil {
		return
	}
	time.Sleep(50 * time.Millisecond)
	io.WriteString(in, "R\n")
	time.Sleep(50 * time.Millisecond)
	in.Close()
	cmd.Wait()
}

// cutConn sends a number of bytes, and then pretends to send the rest.
type cutConn struct {
	net.Conn
	most int
}

func (c *cutConn) Write(b []byte) (int, error) {
	n := min(len(b), c.most)
	c.most -= n
	if n > 0 {
		if n, err := c.Conn.Write(b[:n]); err != nil {
			return n, err
		}
	}
	return len(b), nil
}
