package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/control"
)

// TestStories runs the scripts in testdata/script: what people do with tcpctl. Each instance has
// its own socket in $WORK.
//
//	backend NAME             begins to serve; its address is $NAME
//	backend NAME dies|comes-back|resets-all|answers
//	ready SOCKET             waits for the instance; a service's address is $SERVICE
//	websocket NAME comes URL and is-told, says, hears, sees, closes
//	client NAME dials ADDR   and says, hears, resets, closes, ends-its-side, sees
//	until PATTERN COMMAND…   until the output has it
//	exits STATUS COMMAND…    with that status; what it says begins with "tcpctl: "
//	signal TERM SOCKET       to the instance behind it
func TestStories(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(env *testscript.Env) error {
			w := &world{backends: map[string]*backend{}, clients: map[string]*client{}, callers: map[string]*caller{}}
			env.Values[worldKey{}] = w
			env.Defer(w.end)
			env.Setenv("GORACE", os.Getenv("GORACE"))
			env.Setenv("STATE_DIRECTORY", filepath.Join(env.WorkDir, "state"))
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"backend":   backendCmd,
			"client":    clientCmd,
			"websocket": websocketCmd,
			"ready":     readyCmd,
			"until":     untilCmd,
			"exits":     exitsCmd,
			"signal":    signalCmd,
		},
	})
}

// world holds the backends and clients of one story.
type world struct {
	backends map[string]*backend
	clients  map[string]*client
	callers  map[string]*caller
}

type worldKey struct{}

func worldOf(ts *testscript.TestScript) *world { return ts.Value(worldKey{}).(*world) }

func (w *world) end() {
	for _, c := range w.clients {
		if c.TCPConn != nil {
			c.Close()
		}
	}
	for _, c := range w.callers {
		c.end()
	}
	for _, b := range w.backends {
		b.die()
	}
}

func backendCmd(ts *testscript.TestScript, neg bool, args []string) {
	w := worldOf(ts)
	if len(args) == 1 {
		b, err := newBackend(args[0])
		ts.Check(err)
		w.backends[b.name] = b
		ts.Setenv(b.name, b.addr)
		return
	}
	if len(args) != 2 || w.backends[args[0]] == nil {
		ts.Fatalf("usage: backend NAME [dies|comes-back|resets-all|answers]")
	}
	switch b := w.backends[args[0]]; args[1] {
	case "dies":
		b.die()
	case "comes-back":
		ts.Check(b.start())
	case "resets-all":
		b.setMoody(true)
	case "answers":
		b.setMoody(false)
	default:
		ts.Fatalf("a backend dies, comes-back, resets-all or answers")
	}
}

func clientCmd(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) < 2 {
		ts.Fatalf("usage: client NAME VERB [WHAT]")
	}
	w, name, what := worldOf(ts), args[0], strings.Join(args[2:], " ")
	c := w.clients[name]
	if c == nil && args[1] != "dials" {
		ts.Fatalf("%s has not dialled", name)
	}
	var err error
	switch args[1] {
	case "dials":
		c, err = dial(what)
		if errors.Is(err, syscall.ECONNRESET) { // reset before our write
			c, err = &client{gone: "reset"}, nil
		}
		if err == nil {
			w.clients[name] = c
		}
	case "says":
		err = c.says(what)
	case "hears":
		err = c.hears(what)
	case "resets":
		c.resets()
	case "closes":
		c.Close()
	case "ends-its-side":
		c.CloseWrite()
	case "sees":
		var how string
		if how, err = c.sees(); err == nil && how != what {
			err = fmt.Errorf("%s sees %s, not %s", name, how, what)
		}
	default:
		ts.Fatalf("a client does not know how to %q", args[1])
	}
	switch {
	case neg && err == nil:
		ts.Fatalf("client %s: succeeded, must fail", strings.Join(args, " "))
	case !neg && err != nil:
		ts.Fatalf("client %s: %v", strings.Join(args, " "), err)
	}
}

// readyCmd waits until the instance answers and has checked its backends.
func readyCmd(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 1 {
		ts.Fatalf("usage: ready SOCKET")
	}
	st, err := waitReady(ts.MkAbs(args[0]))
	ts.Check(err)
	for _, s := range st.Services {
		ts.Setenv(s.Name, s.Listen[0])
	}
}

func untilCmd(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) < 2 {
		ts.Fatalf("usage: until PATTERN COMMAND...")
	}
	pattern, err := regexp.Compile("(?m)" + args[0])
	ts.Check(err)
	out := []byte{}
	for began := time.Now(); time.Since(began) < patience; restSince(began) {
		cmd := exec.Command(args[1], args[2:]...)
		cmd.Dir = ts.MkAbs(".")
		if out, _ = cmd.CombinedOutput(); pattern.Match(out) != neg {
			ts.Exec(args[1], args[2:]...) // once more, for later commands that look at the output
			return
		}
	}
	ts.Fatalf("timeout waiting for %s:\n%s", args[0], out)
}

func exitsCmd(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) < 2 || neg {
		ts.Fatalf("usage: exits STATUS COMMAND...")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		var exit *exec.ExitError
		if !errors.As(err, &exit) {
			ts.Fatalf("%v", err)
		}
		got = exit.ExitCode()
	}
	said := ts.ReadFile("stderr")
	if got != want {
		ts.Fatalf("exit status %d, not %d\n%s%s", got, want, ts.ReadFile("stdout"), said)
	}
	// Progress of an act comes before the message.
	lines := strings.Split(strings.TrimSpace(said), "\n")
	if last := lines[len(lines)-1]; got != 0 && !strings.HasPrefix(last, "tcpctl: ") {
		ts.Fatalf("its last line is %q", last)
	}
}

func signalCmd(ts *testscript.TestScript, neg bool, args []string) {
	signals := map[string]syscall.Signal{"TERM": syscall.SIGTERM, "INT": syscall.SIGINT, "HUP": syscall.SIGHUP}
	if len(args) != 2 || signals[args[0]] == 0 {
		ts.Fatalf("usage: signal TERM|INT|HUP SOCKET")
	}
	src := control.Dial(ts.MkAbs(args[1]))
	defer src.Close()
	st, err := src.Status(context.Background())
	ts.Check(err)
	ts.Check(sendSignal(st.Node.PID, signals[args[0]]))
}
