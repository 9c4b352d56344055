//go:build unix

package tui

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/creack/pty"
)

// onPty runs a console on a pty, and reads what it draws.
func onPty(t *testing.T) (master *os.File, tty *os.File, screen *lockedBuffer, done chan ending) {
	t.Helper()
	master, tty, err := pty.Open()
	if err != nil {
		t.Skip("no pty here:", err)
	}
	if err := pty.Setsize(master, &pty.Winsize{Rows: 24, Cols: 80}); err != nil {
		t.Fatal(err)
	}
	screen = &lockedBuffer{}
	go io.Copy(screen, master) // ends when master is closed
	done = make(chan ending, 1)
	go func() {
		o, err := Run(t.Context(), Config{Source: edge(), Input: tty, Output: tty,
			Env: func(name string) (string, bool) { return map[string]string{"TERM": "xterm"}[name], true }})
		done <- ending{o, err}
	}()
	t.Cleanup(func() { tty.Close(); master.Close() })
	return master, tty, screen, done
}

func shows(t *testing.T, screen *lockedBuffer, text string) {
	t.Helper()
	for end := time.Now().Add(hangs); !strings.Contains(screen.String(), text); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("never on the screen: %q\n%q", text, screen.String())
		}
	}
}

func TestOnATerminal(t *testing.T) {
	master, _, screen, done := onPty(t)
	shows(t, screen, "pg-a")
	if err := pty.Setsize(master, &pty.Winsize{Rows: 10, Cols: 40}); err != nil {
		t.Fatal(err)
	}
	// A test has no controlling terminal, so SIGWINCH must be sent by hand.
	if err := exec.Command("kill", "-WINCH", strconv.Itoa(os.Getpid())).Run(); err != nil {
		t.Fatal(err)
	}
	shows(t, screen, "QUEUE 7")
	if _, err := master.WriteString("q"); err != nil {
		t.Fatal(err)
	}
	shows(t, screen, "Leave edge-01")
	if _, err := master.WriteString("d"); err != nil {
		t.Fatal(err)
	}
	if e := wait(t, done); e.outcome != Detach || e.err != nil {
		t.Errorf("%v %v", e.outcome, e.err)
	}
	shows(t, screen, "\x1b[?1049l")
}

// The terminal is closed, without a signal.
func TestAClosedTerminalIsAHangup(t *testing.T) {
	master, _, screen, done := onPty(t)
	shows(t, screen, "pg-a")
	master.Close()
	if e := wait(t, done); e.outcome != Hangup || e.err != nil {
		t.Errorf("%v %v", e.outcome, e.err)
	}
}

// A program linked with the console does not query the terminal when it starts, since some do not
// answer. TERM is unchanged.
func TestNothingIsAskedAtTheStart(t *testing.T) {
	if os.Getenv("TCPCTL_TERM") != "" {
		fmt.Println("TERM is " + os.Getenv("TERM"))
		return
	}
	cmd := exec.Command(os.Args[0], "-test.run=^TestNothingIsAskedAtTheStart$")
	cmd.Env = []string{"TERM=xterm-256color", "TCPCTL_TERM=y", "HOME=" + os.Getenv("HOME")} // without CI, under which nothing is asked
	master, err := pty.Start(cmd)
	if err != nil {
		t.Skip("no pty here:", err)
	}
	defer master.Close()
	out, _ := io.ReadAll(master) // a pty ends with an error
	if err := cmd.Wait(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if bytes.ContainsRune(out, 0x1b) || !bytes.Contains(out, []byte("TERM is xterm-256color")) {
		t.Errorf("%q", out)
	}
}
