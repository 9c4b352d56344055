//go:build unix

package main

import (
	"context"
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

	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/control"
)

// terminal is a tmux server with one window, which runs the real binary: tests see and press what a
// person would.
type terminal struct {
	t      *testing.T
	server string // tmux's socket
	dir    string
	socket string // tcpctl's
}

// openTerminal runs tcpctl in a window of w by h, with additions to its environment. The window
// stays after tcpctl ends, and shows its exit status.
func openTerminal(t *testing.T, w, h int, env []string, args ...string) *terminal {
	t.Helper()
	if _, err := exec.LookPath("tmux"); err != nil {
		t.Skip("no tmux here")
	}
	dir, err := os.MkdirTemp("", "tcpctl") // short, as a socket's path must be
	if err != nil {
		t.Fatal(err)
	}
	term := &terminal{t: t, server: filepath.Join(dir, "tmux"), dir: dir, socket: filepath.Join(dir, "s")}
	t.Cleanup(func() {
		// End the instance first: the loss of its terminal would not end it.
		src := control.Dial(term.socket)
		if st, err := src.Status(context.Background()); err == nil {
			syscall.Kill(st.Node.PID, syscall.SIGKILL)
		}
		src.Close()
		exec.Command("tmux", "-S", term.server, "kill-server").Run()
		os.RemoveAll(dir)
	})
	for i, a := range args {
		args[i] = strings.ReplaceAll(a, "SOCKET", term.socket)
	}
	line := "env HOME=" + dir + " STATE_DIRECTORY=" + filepath.Join(dir, "state") + " TERM=tmux-256color " + strings.Join(env, " ") + " tcpctl " + strings.Join(args, " ") + "; echo exit $?; exec sleep 600"
	term.tmux("-f", "/dev/null", "new-session", "-d", "-s", "t", "-x", strconv.Itoa(w), "-y", strconv.Itoa(h), line)
	return term
}

func (term *terminal) tmux(args ...string) string {
	term.t.Helper()
	cmd := exec.Command("tmux", append([]string{"-S", term.server}, args...)...)
	cmd.Env = append(os.Environ(), "LC_ALL=C.UTF-8")
	out, err := cmd.CombinedOutput()
	if err != nil {
		term.t.Fatalf("tmux %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

func (term *terminal) press(keys ...string) {
	term.t.Helper()
	for _, k := range keys {
		term.tmux("send-keys", "-t", "t", k)
	}
}

// escapes presses Escape until the pattern has left the screen: read together with the next key,
// Escape would be Alt. The first one may only dismiss a message.
func (term *terminal) escapes(pattern string) {
	term.t.Helper()
	re := regexp.MustCompile("(?m)" + pattern)
	var pressed time.Time
	term.until("still to be seen: "+pattern, func(s string) bool {
		if !re.MatchString(s) {
			return true
		}
		if time.Since(pressed) > 5*time.Second {
			term.press("Escape")
			pressed = time.Now()
		}
		return false
	})
}

// rewinds goes to a moment of the past, until the pattern is seen: a busy instance may not answer in time.
func (term *terminal) rewinds(to time.Time, pattern string) {
	term.t.Helper()
	re := regexp.MustCompile("(?m)" + pattern)
	var typed time.Time
	term.until("not to be seen: "+pattern, func(s string) bool {
		if re.MatchString(s) {
			return true
		}
		if time.Since(typed) > 10*time.Second {
			term.press(":")
			term.tmux("send-keys", "-t", "t", "-l", "rewind "+to.Format(time.TimeOnly))
			term.press("Enter")
			typed = time.Now()
		}
		return false
	})
}

func (term *terminal) screen() string { return term.tmux("capture-pane", "-p", "-t", "t") }

// sees waits until a line of the screen matches.
func (term *terminal) sees(pattern string) string {
	term.t.Helper()
	re := regexp.MustCompile("(?m)" + pattern)
	return term.until("not to be seen: "+pattern, re.MatchString)
}

func (term *terminal) seesNot(pattern string) {
	term.t.Helper()
	re := regexp.MustCompile("(?m)" + pattern)
	term.until("still to be seen: "+pattern, func(s string) bool { return !re.MatchString(s) })
}

func (term *terminal) until(what string, holds func(string) bool) string {
	term.t.Helper()
	for began := time.Now(); ; restSince(began) {
		s := term.screen()
		if holds(s) {
			return s
		}
		if time.Since(began) > patience {
			term.t.Fatalf("%s\n%s", what, s)
		}
	}
}

// TestConsoleDrains: a drain by keys and its undo, on a real engine.
func TestConsoleDrains(t *testing.T) {
	t.Parallel()
	term := openTerminal(t, 80, 24, nil, "demo", "--socket", "SOCKET")
	term.sees(`LIVE .* UP \d/\d .* PEERS 3/3`)
	term.sees(`^> \+ UP +web-a`)
	term.sees(`conn [1-9]`) // there are clients
	term.press("?")
	term.sees("Help: Backends")
	term.escapes("Help: Backends")
	term.press("2")
	term.sees(`\[2 Queue`)
	term.press("1", "/", "w", "e", "b", "-", "c", "Enter")
	term.sees("filter: web-c")
	term.escapes("filter: web-c")
	term.press("/", "w", "e", "b", "-", "a", "Enter") // web-b may be down, and then is the first
	term.sees("filter: web-a")
	term.press("d")
	term.sees(`drain web/web-a\? \[y/N\]`)
	term.press("y")
	term.sees(`~ DRAIN +web-a`)
	term.sees(`(\d+/\d+ remaining|web/web-a is drained)`)
	term.sees(`web/web-a is drained: no sessions remain`) // the demo's sessions are short
	term.sees(`~ DRAIN +web-a +\S+ +0 `)
	term.press("u")
	term.sees(`^[> ] [+] UP +web-a`)
	term.press("d")
	term.sees(`\[y/N\]`)
	term.press("y")
	term.sees(`~ DRAIN +web-a`)
	term.press("U")
	term.sees("undone: web/web-a is up")
	term.sees(`^[> ] [+] UP +web-a`)
	term.press("t")
	term.sees("high-contrast")
	term.press("j", "Enter")
	term.tmux("resize-window", "-t", "t", "-x", "40", "-y", "10")
	term.until("not in 40 columns", func(s string) bool { return strings.Contains(s, "web-a") && !strings.Contains(s, "CHECK") })
	term.tmux("resize-window", "-t", "t", "-x", "140", "-y", "45")
	term.sees("Throughput")
	term.sees("mesh demo")
	term.press("q")
	term.sees("stop the service")
	term.press("s")
	term.sees("type demo-1") // the demo's clients are there
	term.press("y", "Enter")
	term.sees("type demo-1 to confirm")
	term.press("BSpace")
	term.tmux("send-keys", "-t", "t", "-l", "demo-1")
	term.press("Enter")
	term.sees(`^exit 0`)
	term.seesNot("Throughput") // the screen is as it was
}

// TestConsoleActsOnPeers drains a backend of another node, and one on all nodes.
func TestConsoleActsOnPeers(t *testing.T) {
	t.Parallel()
	term := openTerminal(t, 120, 40, nil, "demo", "--socket", "SOCKET")
	term.sees("PEERS 3/3")
	term.press("3", "j")
	term.sees(`> demo-[23] .*alive`)
	term.press("Enter")
	term.sees(`demo-1 > demo-[23]`)
	term.sees(`> \+ UP +web-a`)
	term.press("d")
	term.sees(`on demo-[23]\? .y/N`)
	term.sees(`= tcpctl drain web/web-a --peer demo-[23]`)
	term.press("y")
	term.sees(`~ DRAIN +web-a`)
	term.press("u")
	term.sees(`\+ UP +web-a`)
	term.escapes(`\[n\] dismiss`)
	term.escapes(`demo-1 > demo-[23]`)
	term.sees(`\[3 Peers`)
	term.press(":")
	term.tmux("send-keys", "-t", "t", "-l", "drain web/web-c --peer all")
	term.press("Enter")
	term.sees("on every node")
	term.press("y")
	term.sees(`demo-3 +drain web/web-c: \d+ session`)
}

// TestConsoleOutlivesTheEngine: an attached console shows STALE without an engine, and continues
// when there is one again.
func TestConsoleOutlivesTheEngine(t *testing.T) {
	t.Parallel()
	term := openTerminal(t, 80, 24, nil, "attach", "--socket", "SOCKET")
	term.sees(`exit 1`) // no instance runs yet
	start := func() *exec.Cmd {
		cmd := exec.Command("tcpctl", "demo", "--no-ui", "--socket", term.socket)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		if _, err := waitReady(term.socket); err != nil {
			t.Fatal(err)
		}
		return cmd
	}
	engine := start()
	term.tmux("respawn-window", "-k", "-t", "t", "tcpctl attach --socket "+term.socket+"; echo exit $?; exec sleep 600")
	term.sees("LIVE")
	engine.Process.Kill()
	engine.Wait()
	term.sees(`STALE \d+s`)
	engine = start()
	term.sees("the engine was restarted") // until another message comes
	term.sees("LIVE")
	term.press("q")
	term.sees("exit 0")
	engine.Process.Signal(syscall.SIGTERM)
	engine.Wait()
}

// TestConsoleHangup: the loss of the terminal does not affect clients.
func TestConsoleHangup(t *testing.T) {
	t.Parallel()
	term := openTerminal(t, 80, 24, nil, "demo", "--socket", "SOCKET")
	term.sees("LIVE")
	src := control.Dial(term.socket)
	defer src.Close()
	st, err := waitReady(term.socket)
	if err != nil {
		t.Fatal(err)
	}
	pid := st.Node.PID
	t.Cleanup(func() { syscall.Kill(pid, syscall.SIGKILL) })
	if err := syscall.Kill(pid, syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	term.seesNot("LIVE")
	before := st.Service("web").Sessions.Total
	for began := time.Now(); ; restSince(began) {
		st, err := src.Status(context.Background())
		if err != nil {
			t.Fatal(err) // it must always answer
		}
		if st.Node.PID == pid && st.Service("web").Sessions.Total > before+5 {
			break
		}
		if time.Since(began) > patience {
			t.Fatalf("no clients are served any more: %d then, %d now", before, st.Service("web").Sessions.Total)
		}
	}
	term.tmux("kill-server") // and now the terminal itself
	if out, err := exec.Command("tcpctl", "status", "--socket", term.socket).CombinedOutput(); err != nil || !strings.Contains(string(out), "web") {
		t.Fatalf("status: %v\n%s", err, out)
	}
}

// TestConsoleWithoutColours: on limited terminals the console is readable and shows its cursor.
func TestConsoleWithoutColours(t *testing.T) {
	t.Parallel()
	for _, env := range []string{"NO_COLOR=1", "TERM=dumb", "LANG=C LC_ALL=C"} {
		t.Run(env, func(t *testing.T) {
			t.Parallel()
			term := openTerminal(t, 80, 24, []string{env}, "demo", "--socket", "SOCKET")
			term.sees(`^> \+ UP +web-a`)
			term.press("j")
			s := term.sees(`^> . \w+ +web-b`)
			if strings.HasPrefix(env, "LANG") {
				for _, r := range s {
					if r > '~' {
						t.Fatalf("%q is no ASCII\n%s", r, s)
					}
				}
			}
		})
	}
}

// TestConsoleTerm: SIGTERM ends it on the main screen with the terminal's settings restored; after
// SIGKILL, reset restores them.
func TestConsoleTerm(t *testing.T) {
	t.Parallel()
	term := openTerminal(t, 80, 24, nil, "demo", "--socket", "SOCKET")
	term.sees("LIVE")
	st, err := waitReady(term.socket)
	if err != nil {
		t.Fatal(err)
	}
	if on := term.tmux("display-message", "-p", "-t", "t", "#{alternate_on}"); strings.TrimSpace(on) != "1" {
		t.Fatalf("alternate screen %q", on)
	}
	syscall.Kill(st.Node.PID, syscall.SIGTERM)
	term.sees("^exit 0")
	if on := term.tmux("display-message", "-p", "-t", "t", "#{alternate_on} #{cursor_flag}"); strings.TrimSpace(on) != "0 1" {
		t.Fatalf("alternate screen and cursor %q", on)
	}
	tty := strings.TrimSpace(term.tmux("display-message", "-p", "-t", "t", "#{pane_tty}"))
	out, err := exec.Command("stty", "-F", tty, "-a").Output()
	if err != nil {
		t.Skip(fmt.Sprint("no stty that can be asked: ", err))
	}
	if s := string(out); strings.Contains(s, "-icanon") || strings.Contains(s, "-echo ") {
		t.Fatalf("the terminal is still raw:\n%s", s)
	}
}
