package upgrade

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"reflect"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/proxy/proxytest"
)

const patience = time.Minute

// TestMain is also the new process, if a test started it as one.
func TestMain(m *testing.M) {
	if before, err := Take(); before != nil || err != nil {
		succeed(before)
		return
	}
	proxytest.SetUp(16, 8) // they wait for processes
	goleak.VerifyTestMain(m)
}

// succeed is a process that takes over, and answers clients of the first listener with what it was
// offered. The offer's By says in which phase it dies ("die started") or hangs ("halt accepting"), or
// that it does not wait before it settles ("settle soon").
func succeed(p *Predecessor) {
	fate, at, _ := strings.Cut(p.Offer.By, " ")
	here := func(phase string) {
		switch {
		case at != phase:
		case fate == "die":
			syscall.Kill(os.Getpid(), syscall.SIGKILL)
			select {}
		case fate == "halt":
			syscall.Kill(os.Getpid(), syscall.SIGSTOP)
			time.Sleep(10 * time.Millisecond) // this thread may run on for a moment
		}
	}
	here("offered")
	if fate == "refuse" {
		p.Fail(net.ErrClosed)
		return
	}
	ln, err := net.FileListener(p.Offer.Listeners[0].File)
	if err != nil {
		p.Fail(err)
		return
	}
	state, err := p.Ready(nil)
	if err != nil {
		p.Fail(err)
		return
	}
	here("started")
	switch {
	case fate == "settle":
		settleAfter /= 20
	case fate == "halt" && at == "settled":
		settleAfter = time.Hour
	}
	counted := make(chan struct{}, 100)
	go func() {
		if !p.Accepting(func() proxy.Remaining { counted <- struct{}{}; return proxy.Remaining{Sessions: 77} }) {
			os.Exit(0)
		}
	}()
	go func() {
		<-p.Released()
		here("released")
	}()
	if at == "accepting" {
		for range 2 { // the second is sent once the old process has read the first
			<-counted
		}
		here("accepting")
	}
	for {
		c, err := ln.Accept()
		if err != nil {
			return
		}
		fmt.Fprintf(c, "%s %s %v %d", p.Offer.By, p.Offer.Activated[0].Name(), state.Engine.Closed, os.Getpid())
		c.Close()
	}
}

// old is the process that hands over, in a test.
type old struct {
	testing.TB
	ln      net.Listener
	offer   Offer
	stop    chan struct{}
	mu      sync.Mutex
	did     []string
	movable error
	limits  limits // zero: usual
}

func newOld(t *testing.T, fate string) *old {
	t.Helper()
	ln := proxytest.Listen(t)
	socket, err := ln.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	named, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	o := &old{TB: t, ln: ln, stop: make(chan struct{}),
		offer: Offer{By: fate, Listeners: []proxy.InheritedSocket{{Service: "db", Addr: ":1", File: socket}}, Activated: []*os.File{named}}}
	o.offer.State.Engine.Closed = []string{"offer"}
	t.Cleanup(func() { o.offer.Close(); named.Close() })
	return o
}

func (o *old) do(what string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.did = append(o.did, what)
}

func (o *old) begin(path string, args ...string) (*Successor, error) {
	return Begin(path, args, nil, o.offer, Duties{
		StopListening: func() (s State, err error) {
			o.do("stop")
			s.Engine.Closed = []string{"go"}
			return s, o.movable
		},
		Yield:   func(int) { o.do("yield") },
		Release: func(int) { o.do("release") },
		Resume:  func(c proxy.Remaining) { o.do(fmt.Sprint("resume ", c.Sessions)) },
		Stop:    o.stop,
		limits:  o.limits,
	})
}

func (o *old) hand() (*Successor, error) { return o.begin(os.Args[0], os.Args[:1]...) }

// served connects to the listener and returns the answer of either process.
func (o *old) served() string {
	o.Helper()
	c, err := net.Dial("tcp", o.ln.Addr().String())
	if err != nil {
		o.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(patience))
	text, err := io.ReadAll(c)
	if err != nil {
		o.Error(err)
	}
	return string(text)
}

// gone waits until nothing listens any more.
func (o *old) gone() {
	o.Helper()
	o.ln.Close()
	o.offer.Close()
	for began := time.Now(); ; time.Sleep(5 * time.Millisecond) {
		c, err := net.Dial("tcp", o.ln.Addr().String())
		if err != nil {
			return
		}
		c.Close()
		if time.Since(began) > patience {
			o.Fatal("a process still has the sockets")
		}
	}
}

func (o *old) told(want ...string) {
	o.Helper()
	o.mu.Lock()
	defer o.mu.Unlock()
	if !slices.Equal(o.did, want) {
		o.Errorf("it did %q, want %q", o.did, want)
	}
}

func TestOneProcessFollowsAnother(t *testing.T) {
	t.Parallel()
	o := newOld(t, "settle soon")
	s, err := o.hand()
	if err != nil {
		t.Fatal(err)
	}
	if got := o.served(); got != fmt.Sprintf("settle soon %s [go] %d", os.DevNull, s.PID) {
		t.Errorf("%q", got)
	}
	o.told("stop", "yield")
	if err := s.Settle(); err != nil {
		t.Error(err)
	}
	o.told("stop", "yield", "release")
	syscall.Kill(s.PID, syscall.SIGKILL)
	o.gone()
}

const short = time.Second / 2 // for what is to be late; all else has its time

// TestTheNewOneFails, in each way and phase: the old process continues, nothing of the new one is
// left, and what it counted is known.
func TestTheNewOneFails(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		fate, why string
		limits    limits
		did       []string
	}{
		{"refuse it", net.ErrClosed.Error(), usual, nil},
		{"die offered", "has ended before it was ready", usual, nil},
		{"halt offered", "did not respond in time (phase offered)", limits{short, acceptWithin, usual.settle, short / 5}, nil},
		{"die started", "before it accepted clients", usual, []string{"stop", "resume 0"}},
		{"halt started", "did not respond in time (phase started)", limits{openWithin, short, usual.settle, short / 5}, []string{"stop", "resume 0"}},
		{"die accepting", "soon after it had taken over", usual, []string{"stop", "yield", "resume 77"}},
		{"halt accepting", "did not respond in time (phase accepting)", limits{openWithin, acceptWithin, short, short / 5}, []string{"stop", "yield", "resume 77"}},
	} {
		t.Run(c.fate, func(t *testing.T) {
			t.Parallel()
			o := newOld(t, c.fate)
			o.limits = c.limits
			s, err := o.hand()
			if strings.Contains(c.fate, "accepting") {
				if err != nil {
					t.Fatal(err)
				}
				err = s.Settle()
			}
			if err == nil || !strings.Contains(err.Error(), c.why) {
				t.Errorf("%v", err)
			}
			o.told(c.did...)
			o.gone()
		})
	}
}

// TestNotNow: an upgrade fails if something cannot be handed over when it would be.
func TestNotNow(t *testing.T) {
	t.Parallel()
	o := newOld(t, "live")
	o.movable = errors.New("db is paused by ana")
	if _, err := o.hand(); !errors.Is(err, o.movable) {
		t.Errorf("%v", err)
	}
	o.told("stop", "resume 0")
	o.gone()
}

// TestStopEndsAnUpgrade in each phase, also with a new process that hangs.
func TestStopEndsAnUpgrade(t *testing.T) {
	t.Parallel()
	for _, fate := range []string{"halt offered", "halt started", "halt settled"} {
		t.Run(fate, func(t *testing.T) {
			t.Parallel()
			o := newOld(t, fate)
			time.AfterFunc(200*time.Millisecond, func() { close(o.stop) })
			s, err := o.hand()
			if err == nil {
				err = s.Settle()
			}
			if !errors.Is(err, ErrStopped) {
				t.Errorf("%v", err)
			}
			o.gone()
		})
	}
}

// TestAScriptThatFails, with a child that would keep the sockets.
func TestAScriptThatFails(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"ends":         "sleep 1000 & exit 1",
		"ends quietly": "exec 3>&-; sleep 1000 & exit 1",
		"stands still": "sleep 1000 & sleep 1000",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := newOld(t, "")
			o.limits = limits{short, acceptWithin, usual.settle, short / 5}
			if _, err := o.begin("/bin/sh", "sh", "-c", text); err == nil {
				t.Error("it began")
			}
			o.told()
			o.gone()
		})
	}
}

// TestAScriptThatStartsIt and waits for it: the PID is the new process's own, and it can be ended
// with its group.
func TestAScriptThatStartsIt(t *testing.T) {
	t.Parallel()
	o := newOld(t, "live")
	s, err := o.begin("/bin/sh", "sh", "-c", `"$0"; exit`, os.Args[0])
	if err != nil {
		t.Fatal(err)
	}
	if s.PID == s.cmd.Process.Pid {
		t.Error("its PID is the script's")
	}
	syscall.Kill(s.PID, syscall.SIGKILL)
	if err := s.Settle(); err == nil {
		t.Error("it has settled")
	}
	o.gone()
}

// TestTheOldOneDies in each phase: the new process takes over with what it knows. The old one is a
// separate process, started to die in a certain phase.
func TestTheOldOneDies(t *testing.T) {
	if at := os.Getenv("UPGRADE_DIES"); at != "" {
		dieAt(t, at)
		return
	}
	t.Parallel()
	for _, at := range []string{"offered", "stop", "yield", "release", "released"} {
		t.Run(at, func(t *testing.T) {
			t.Parallel()
			cmd := exec.Command(os.Args[0], "-test.run=^TestTheOldOneDies$")
			cmd.Env = append(os.Environ(), "UPGRADE_DIES="+at)
			out, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			var addr string
			var pid int
			if _, err := fmt.Fscan(out, &addr); err != nil {
				t.Fatal(err)
			}
			go io.Copy(io.Discard, out)
			cmd.Wait()
			if !cmd.ProcessState.Sys().(syscall.WaitStatus).Signaled() {
				t.Errorf("it ended with %v", cmd.ProcessState)
			}
			c, err := net.Dial("tcp", addr)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			c.SetDeadline(time.Now().Add(patience))
			text, err := io.ReadAll(c)
			if err != nil {
				t.Fatal(err)
			}
			want := "settle soon " + os.DevNull + " [go] %d"
			if at == "offered" || at == "stop" {
				want = "settle soon " + os.DevNull + " [offer] %d"
			}
			if n, err := fmt.Sscanf(string(text), want, &pid); n != 1 || err != nil {
				t.Fatalf("%q: %v", text, err)
			}
			syscall.Kill(pid, syscall.SIGKILL)
		})
	}
}

// dieAt is an old process that dies at a given point of the handover.
func dieAt(t *testing.T, at string) {
	o := newOld(t, "settle soon")
	fmt.Println(o.ln.Addr())
	die := func(now string) {
		if now == at {
			syscall.Kill(os.Getpid(), syscall.SIGKILL)
			select {}
		}
	}
	duties := Duties{
		StopListening: func() (s State, err error) {
			die("stop")
			s.Engine.Closed = []string{"go"}
			return s, nil
		},
		Yield:   func(int) { die("yield") },
		Release: func(int) { die("release") },
	}
	path, args := os.Args[0], os.Args[:1]
	if at == "offered" { // as soon as it has begun
		path, args = "/bin/sh", []string{"sh", "-c", `kill -9 $PPID; exec "$0"`, os.Args[0]}
	}
	s, err := Begin(path, args, nil, o.offer, duties)
	if err != nil {
		t.Fatal(err)
	}
	s.Settle()
	die("released")
}

func TestOneThatCannotBegin(t *testing.T) {
	t.Parallel()
	o := newOld(t, "")
	if _, err := o.begin("/missing", "missing"); err == nil {
		t.Error("a missing program was started")
	}
	o.told()
}

func TestNobodyToFollow(t *testing.T) {
	if p, err := Take(); p != nil || err != nil {
		t.Errorf("%v, %v", p, err)
	}
	for _, odd := range []string{"", "x", "1", "999999"} {
		t.Setenv(variable, odd)
		if p, err := Take(); p != nil || err == nil {
			t.Errorf("%q: %v, %v", odd, p, err)
		}
		if text, left := os.LookupEnv(variable); left {
			t.Errorf("%q is left for others", text)
		}
	}
}

// TestOfferIsWhole: every field is handed over.
func TestOfferIsWhole(t *testing.T) {
	t.Parallel()
	o := Offer{Listeners: []proxy.InheritedSocket{{Service: "a", Addr: "b", File: os.Stdin}}, Activated: []*os.File{os.Stdout}, ControlSocket: os.Stdin, Metrics: os.Stderr}
	files, s := o.files()
	var back Offer
	back.fill(s, func(string) (f *os.File) { f, files = files[0], files[1:]; return f })
	if !reflect.DeepEqual(o, back) || len(files) > 0 {
		t.Errorf("%+v, %v left", back, files)
	}
}

// TestFollowers: followers get each change, reconnect after a lost connection, and learn of the
// process's end.
func TestFollowers(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	now := proxy.Remaining{Services: map[string]proxy.RemainingSessions{"db": {Active: 2}}}
	f, err := ServeFollowers(http.NotFoundHandler(), func(counters bool) proxy.Remaining {
		mu.Lock()
		defer mu.Unlock()
		r := now
		if counters {
			r.Counters = []proxy.ServiceInfo{{Name: "db", BytesIn: int64(now.Services["db"].Active)}}
		}
		return r
	})
	if err != nil {
		t.Fatal(err)
	}
	said := make(chan proxy.Remaining)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		Follow(context.Background(), f.Addr(), func(r proxy.Remaining) { said <- r }, func(err error) { t.Error(err) })
	}()
	hears := func(active int, counters bool) {
		t.Helper()
		late := time.After(patience)
		for {
			select {
			case r := <-said:
				if r.Services["db"].Active == active && (!counters || r.Counters != nil && r.Counters[0].BytesIn == int64(active)) {
					return
				}
			case <-late:
				t.Fatalf("timeout waiting for %d active sessions", active)
			}
		}
	}
	hears(2, true)
	mu.Lock()
	now.Services = map[string]proxy.RemainingSessions{"db": {Active: 1}}
	mu.Unlock()
	hears(1, true)
	go func() {
		for range said {
		}
	}()
	f.Close()
	<-ended
	close(said)
}

// TestOnlyOurs: a process of another user gets no answer.
func TestOnlyOurs(t *testing.T) {
	t.Parallel()
	const python = "/usr/bin/python3" // any user may run it
	if _, err := os.Stat(python); err != nil || os.Geteuid() != 0 {
		t.Skip("needs root and " + python)
	}
	f, err := ServeFollowers(http.NotFoundHandler(), func(bool) proxy.Remaining { return proxy.Remaining{} })
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	const ask = `import socket, sys
s = socket.socket(socket.AF_UNIX); s.settimeout(20)
s.connect("\0" + sys.argv[1][1:])
try:
	s.sendall(b"GET / HTTP/1.0\r\n\r\n"); print(len(s.recv(100)))
except OSError: print(0)`
	for uid, heard := range map[uint32]bool{0: true, 65534: false} {
		cmd := exec.Command(python, "-c", ask, f.Addr())
		cmd.Dir = "/"
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: uid}}
		out, err := cmd.CombinedOutput()
		if err != nil || (strings.TrimSpace(string(out)) != "0") != heard {
			t.Errorf("uid %d: %s, %v", uid, out, err)
		}
	}
}
