package sshd

import (
	"bufio"
	"context"
	"crypto/ed25519"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/crypto/ssh"

	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/authkeys"
	"github.com/tcpctl/tcpctl/proxy/proxytest"
)

func TestMain(m *testing.M) {
	proxytest.SetUp(16, 8)
	goleak.VerifyTestMain(m)
}

// hangs is the time after which a test is considered hung.
const hangs = time.Minute

// newSigner returns a key, and its line for authorized_keys.
func newSigner(t *testing.T) (ssh.Signer, string) {
	t.Helper()
	_, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.NewSignerFromKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return signer, strings.TrimSpace(string(ssh.MarshalAuthorizedKey(signer.PublicKey())))
}

func keysOf(t *testing.T, lines ...string) authkeys.Keys {
	t.Helper()
	path := filepath.Join(t.TempDir(), "keys")
	if err := os.WriteFile(path, []byte(strings.Join(lines, "\n")), 0o600); err != nil {
		t.Fatal(err)
	}
	keys, err := authkeys.Read(path)
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

func serve(t *testing.T, o Options) *Server {
	t.Helper()
	if o.HostKey == nil {
		o.HostKey, _ = newSigner(t)
	}
	s, err := Open("127.0.0.1:0", o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	s.Start()
	return s
}

// dial connects a client and opens a session with a terminal.
func dial(t *testing.T, s *Server, signer ssh.Signer) (*ssh.Client, *ssh.Session, error) {
	t.Helper()
	c, err := ssh.Dial("tcp", s.Addr().String(), &ssh.ClientConfig{User: "any", Auth: []ssh.AuthMethod{ssh.PublicKeys(signer)},
		HostKeyCallback: ssh.InsecureIgnoreHostKey(), Timeout: hangs})
	if err != nil {
		return nil, nil, err
	}
	t.Cleanup(func() { c.Close() })
	sess, err := c.NewSession()
	if err == nil {
		err = sess.RequestPty("xterm", 24, 80, ssh.TerminalModes{})
	}
	return c, sess, err
}

// echo writes who has connected, and repeats what is typed until x.
func echo(ctx context.Context, s *Session) error {
	size := <-s.Sizes
	term, _ := s.Env("TERM")
	fmt.Fprintf(s, "%s %v %s %v\n", s.By, s.ReadOnly, term, size)
	go func() { <-ctx.Done() }()
	for in := bufio.NewReader(s); ; {
		b, err := in.ReadByte()
		if err != nil || b == 'x' {
			return nil
		}
		fmt.Fprintf(s, "%c\n", b)
	}
}

func TestAKeyOpensAConsole(t *testing.T) {
	t.Parallel()
	ana, anaLine := newSigner(t)
	bob, bobLine := newSigner(t)
	eve, _ := newSigner(t)
	s := serve(t, Options{Show: echo, Keys: keysOf(t, anaLine+" ana@laptop", `environment="TCPCTL_ACCESS=read" `+bobLine+" bob")})
	for _, x := range []struct {
		signer ssh.Signer
		want   string
	}{{ana, "ana@laptop false xterm [80 24]"}, {bob, "bob true xterm [80 24]"}} {
		_, sess, err := dial(t, s, x.signer)
		if err != nil {
			t.Fatal(err)
		}
		in, _ := sess.StdinPipe()
		out, _ := sess.StdoutPipe()
		if err := sess.Shell(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		if lines.Scan(); lines.Text() != x.want {
			t.Errorf("%q, not %q", lines.Text(), x.want)
		}
		io.WriteString(in, "d")
		if lines.Scan(); lines.Text() != "d" {
			t.Errorf("%q", lines.Text())
		}
		io.WriteString(in, "x")
		if err := sess.Wait(); err != nil {
			t.Error(err)
		}
	}
	if _, _, err := dial(t, s, eve); err == nil {
		t.Error("a stranger's key opens a console")
	}
}

// TestAClientDisconnectsFirst: a client that has read the exit status may still send, as ssh does
// to disconnect. One that stays, like an ssh master connection, is disconnected.
func TestAClientDisconnectsFirst(t *testing.T) {
	t.Parallel()
	ana, line := newSigner(t)
	exited := func(last time.Duration) *ssh.Client {
		c, sess, err := dial(t, serve(t, Options{Show: echo, Keys: keysOf(t, line+" ana"), last: last}), ana)
		if err != nil {
			t.Fatal(err)
		}
		in, _ := sess.StdinPipe()
		if err := sess.Shell(); err != nil {
			t.Fatal(err)
		}
		io.WriteString(in, "x")
		if err := sess.Wait(); err != nil && last == hangs { // otherwise it may be disconnected first
			t.Fatal(err)
		}
		return c
	}
	c := exited(hangs)
	for range 10 {
		if _, _, err := c.SendRequest("keepalive@openssh.com", true, nil); err != nil {
			t.Fatalf("after the exit status: %v", err)
		}
	}
	c.Close()
	exited(100 * time.Millisecond).Wait()
}

func TestNoCommandAndNoTerminalAreRefused(t *testing.T) {
	t.Parallel()
	ana, line := newSigner(t)
	s := serve(t, Options{Show: echo, Keys: keysOf(t, line)})
	c, sess, err := dial(t, s, ana)
	if err != nil {
		t.Fatal(err)
	}
	var said strings.Builder
	sess.Stderr = &said
	if err := sess.Run("id"); err == nil || !strings.Contains(said.String(), "it takes no command") {
		t.Errorf("%v, %q", err, said.String())
	}
	bare, err := c.NewSession()
	if err != nil {
		t.Fatal(err)
	}
	said.Reset()
	bare.Stderr = &said
	err = bare.Shell()
	if err == nil {
		err = bare.Wait()
	}
	if !strings.Contains(said.String(), "needs a terminal") {
		t.Errorf("%v, %q", err, said.String())
	}
	if _, err := c.Dial("tcp", "127.0.0.1:1"); err == nil || !strings.Contains(err.Error(), "unsupported channel") {
		t.Errorf("forwarding works: %v", err)
	}
}

// flood writes until the client stops reading, and sends the error.
func flood(ended chan<- error) func(context.Context, *Session) error {
	return func(_ context.Context, s *Session) error {
		text := []byte(strings.Repeat("x", 32<<10))
		for {
			if _, err := s.Write(text); err != nil {
				ended <- err
				return nil
			}
		}
	}
}

// TestAClientThatDoesNotReadIsDropped, whether only its terminal has stopped or its whole
// connection.
func TestAClientThatDoesNotReadIsDropped(t *testing.T) {
	t.Parallel()
	ana, line := newSigner(t)
	for _, dead := range []bool{false, true} {
		t.Run(fmt.Sprintf("dead %v", dead), func(t *testing.T) {
			t.Parallel()
			ended := make(chan error, 1)
			s := serve(t, Options{Show: flood(ended), Keys: keysOf(t, line), stall: 300 * time.Millisecond})
			addr := s.Addr().String()
			var stop func()
			if dead {
				addr, stop = standstill(t, addr)
			}
			c, err := ssh.Dial("tcp", addr, &ssh.ClientConfig{Auth: []ssh.AuthMethod{ssh.PublicKeys(ana)}, HostKeyCallback: ssh.InsecureIgnoreHostKey(), Timeout: hangs})
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			sess, err := c.NewSession()
			if err != nil {
				t.Fatal(err)
			}
			sess.RequestPty("xterm", 24, 80, ssh.TerminalModes{})
			sess.StdoutPipe() // not read
			if err := sess.Shell(); err != nil {
				t.Fatal(err)
			}
			if dead {
				stop()
			}
			select {
			case err := <-ended:
				if err == nil {
					t.Error("no error")
				}
			case <-time.After(hangs):
				t.Fatal("its console is still open")
			}
			s.mu.Lock()
			n := len(s.conns)
			s.mu.Unlock()
			for end := time.Now().Add(hangs); n > 0 && time.Now().Before(end); time.Sleep(time.Millisecond) {
				s.mu.Lock()
				n = len(s.conns)
				s.mu.Unlock()
			}
			if n > 0 {
				t.Errorf("%d connections are still there", n)
			}
		})
	}
}

// standstill forwards a connection until stop is called: then it reads nothing more from the server.
func standstill(t *testing.T, to string) (addr string, stop func()) {
	t.Helper()
	ln := proxytest.Listen(t)
	conns := make(chan [2]net.Conn, 1)
	go func() {
		a, err := ln.Accept()
		if err != nil {
			return
		}
		b, err := net.Dial("tcp", to)
		if err != nil {
			a.Close()
			return
		}
		conns <- [2]net.Conn{a, b}
		go io.Copy(b, a)
		io.Copy(a, b)
		<-t.Context().Done()
		a.Close()
		b.Close()
	}()
	t.Cleanup(func() { ln.Close() })
	return ln.Addr().String(), func() {
		pair := <-conns
		pair[1].SetReadDeadline(time.Now()) // forward only what was read so far
	}
}

// TestManyConnectionsAreBounded: unauthenticated connections are limited in number and duration.
func TestManyConnectionsAreBounded(t *testing.T) {
	t.Parallel()
	_, line := newSigner(t)
	s := serve(t, Options{Show: echo, Keys: keysOf(t, line)})
	var all []net.Conn
	defer func() {
		for _, c := range all {
			c.Close()
		}
	}()
	for range mostConns + 1 {
		c, err := net.Dial("tcp", s.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, c)
		c.SetReadDeadline(time.Now().Add(hangs))
		if _, err := c.Read(make([]byte, 1)); len(all) <= mostConns && err != nil {
			t.Fatalf("the %dth: %v", len(all), err)
		} else if len(all) > mostConns && err == nil {
			t.Error("one too many is served")
		}
	}
}

// TestKeysAreTakenOut: a reload that removes a key closes its console, and no other.
func TestKeysAreTakenOut(t *testing.T) {
	t.Parallel()
	ana, anaLine := newSigner(t)
	bob, bobLine := newSigner(t)
	s := serve(t, Options{Show: echo, Keys: keysOf(t, anaLine+" ana", bobLine+" bob")})
	open := func(signer ssh.Signer) (*ssh.Session, io.Writer) {
		_, sess, err := dial(t, s, signer)
		if err != nil {
			t.Fatal(err)
		}
		in, _ := sess.StdinPipe()
		out, _ := sess.StdoutPipe()
		if err := sess.Shell(); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(out, make([]byte, 3)); err != nil {
			t.Fatal(err)
		}
		go io.Copy(io.Discard, out)
		return sess, in
	}
	anas, _ := open(ana)
	bobs, in := open(bob)
	s.SetKeys(keysOf(t, bobLine+" bob"))
	if err := anas.Wait(); err == nil {
		t.Error("ana's console ended without an error")
	}
	io.WriteString(in, "x")
	if err := bobs.Wait(); err != nil {
		t.Errorf("bob: %v", err)
	}
	if _, _, err := dial(t, s, ana); err == nil {
		t.Error("ana's key still opens a console")
	}
}

// TestPauseAndStart: clients wait during a pause, in which another process may have the socket.
func TestPauseAndStart(t *testing.T) {
	t.Parallel()
	ana, line := newSigner(t)
	s := serve(t, Options{Show: echo, Keys: keysOf(t, line)})
	s.Pause()
	f, err := s.File()
	if err != nil {
		t.Skip(err)
	}
	f.Close()
	done := make(chan error, 1)
	go func() {
		_, _, err := dial(t, s, ana)
		done <- err
	}()
	s.Start()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// TestAnotherHostKey: a new host key applies to later connections; earlier ones stay.
func TestAnotherHostKey(t *testing.T) {
	t.Parallel()
	ana, line := newSigner(t)
	first, _ := newSigner(t)
	second, _ := newSigner(t)
	s := serve(t, Options{Show: echo, Keys: keysOf(t, line), HostKey: first})
	proved := func() (key ssh.PublicKey) {
		t.Helper()
		c, err := ssh.Dial("tcp", s.Addr().String(), &ssh.ClientConfig{Auth: []ssh.AuthMethod{ssh.PublicKeys(ana)}, Timeout: hangs,
			HostKeyCallback: func(_ string, _ net.Addr, k ssh.PublicKey) error { key = k; return nil }})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		return key
	}
	if string(proved().Marshal()) != string(first.PublicKey().Marshal()) {
		t.Error("not the first host key")
	}
	s.SetHostKey(second)
	if string(proved().Marshal()) != string(second.PublicKey().Marshal()) {
		t.Error("not the second host key")
	}
}

// TestAClientThatAnswersNothingIsDropped, although its console writes too little to fill a buffer;
// a client that answers stays.
func TestAClientThatAnswersNothingIsDropped(t *testing.T) {
	t.Parallel()
	ana, line := newSigner(t)
	ended := make(chan string, 2)
	quiet := func(ctx context.Context, s *Session) error {
		name, _ := s.Env("WHO")
		<-ctx.Done()
		ended <- name
		return nil
	}
	s := serve(t, Options{Show: quiet, Keys: keysOf(t, line), stall: 100 * time.Millisecond})
	open := func(addr, who string) *ssh.Client {
		t.Helper()
		c, err := ssh.Dial("tcp", addr, &ssh.ClientConfig{Auth: []ssh.AuthMethod{ssh.PublicKeys(ana)}, HostKeyCallback: ssh.InsecureIgnoreHostKey(), Timeout: hangs})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		sess, err := c.NewSession()
		if err != nil {
			t.Fatal(err)
		}
		sess.Setenv("WHO", who)
		sess.RequestPty("xterm", 24, 80, ssh.TerminalModes{})
		if err := sess.Shell(); err != nil {
			t.Fatal(err)
		}
		return c
	}
	answers := open(s.Addr().String(), "answers") // first: it would be dropped first
	addr, stop := standstill(t, s.Addr().String())
	open(addr, "silent")
	stop()
	select {
	case who := <-ended:
		if who != "silent" {
			t.Errorf("dropped: %q", who)
		}
	case <-time.After(hangs):
		t.Fatal("its console is still open")
	}
	if _, _, err := answers.SendRequest("keepalive@openssh.com", true, nil); err != nil {
		t.Errorf("the client that answers: %v", err)
	}
}
