//go:build unix

package main

import (
	"bytes"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/control"
)

// TestTheDefaultSocketIsTaken runs two instances without --socket, as another user than root:
// root's default socket is the machine's, another user's is in a folder of their own.
func TestTheDefaultSocketIsTaken(t *testing.T) {
	t.Parallel()
	dir, err := os.MkdirTemp("", "tcpctl") // short, as a socket's path must be
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	const nobody = 65534
	if os.Geteuid() == 0 {
		if err := os.Chown(dir, nobody, nobody); err != nil {
			t.Fatal(err)
		}
	}
	command := func(args ...string) (*exec.Cmd, *bytes.Buffer) {
		cmd := exec.Command("tcpctl", args...)
		cmd.Env = append(os.Environ(), "XDG_RUNTIME_DIR="+dir)
		cmd.Dir = dir
		if os.Geteuid() == 0 {
			cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
		}
		both := new(bytes.Buffer)
		cmd.Stdout, cmd.Stderr = io.Discard, both
		return cmd, both
	}
	run := func(args ...string) (*exec.Cmd, *bytes.Buffer) {
		t.Helper()
		cmd, said := command(args...)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		return cmd, said
	}
	stop := func(cmd *exec.Cmd) {
		cmd.Process.Signal(syscall.SIGTERM)
		if err := cmd.Wait(); err != nil {
			t.Error(err)
		}
	}

	first, _ := run("proxy", "--listen", "127.0.0.1:0", "--backend", "127.0.0.1:1", "--name", "first")
	for began := time.Now(); ; restSince(began) { // ask as that user: root does not trust the folder
		if status, _ := command("status"); status.Run() == nil {
			break
		}
		if time.Since(began) > patience {
			t.Fatal("the first is not ready")
		}
	}
	second, said := run("lock", "-l", "127.0.0.1:0", "-p", "1", "--name", "second")
	var others []string
	for began := time.Now(); len(others) == 0 || !control.Answers(others[0]); restSince(began) {
		if time.Since(began) > patience {
			t.Fatal("the second has no socket")
		}
		others, _ = filepath.Glob(filepath.Join(dir, "tcpctl-*.sock"))
	}
	for _, look := range []struct {
		service string
		args    []string
	}{{"first", []string{"status"}}, {"second", []string{"status", "--socket", others[0]}}} {
		cmd, _ := command(look.args...)
		cmd.Stdout = nil
		if out, err := cmd.Output(); err != nil || !strings.Contains(string(out), "\n"+look.service+" ") {
			t.Errorf("%v: %v\n%s", look.args, err, out)
		}
	}
	// With a configuration file the instance must get its default socket, so it refuses to start.
	file := filepath.Join(dir, "tcpctl.toml")
	if err := os.WriteFile(file, []byte("[services.third]\nlisten = \"127.0.0.1:0\"\nbackends = [\"127.0.0.1:1\"]\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	third, refusal := command("run", "--no-ui", "-c", file)
	if third.Run(); third.ProcessState.ExitCode() != 1 ||
		!strings.Contains(refusal.String(), "another instance answers there: "+filepath.Join(dir, "tcpctl.sock")+"; stop it (tcpctl stop), or give another place with --socket") {
		t.Errorf("run: status %d: %s", third.ProcessState.ExitCode(), refusal)
	}
	stop(first)
	// A command that asks at the default socket now says where the other instance is.
	cmd, hint := command("status")
	if cmd.Run(); cmd.ProcessState.ExitCode() != 1 || !strings.Contains(hint.String(), "there is also --socket "+others[0]) {
		t.Errorf("status %d: %s", cmd.ProcessState.ExitCode(), hint)
	}
	stop(second)
	if want := "use --socket " + others[0]; !strings.Contains(said.String(), want) {
		t.Errorf("it does not say %q:\n%s", want, said)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "*.sock")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}
