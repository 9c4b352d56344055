package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"go.uber.org/goleak"

	"github.com/tcpctl/tcpctl/proxy/proxytest"
)

// TestMain puts this binary into PATH as "tcpctl", so that the tests start the
// real thing as processes of their own: also with the race detector.
func TestMain(m *testing.M) {
	proxytest.Parallel(20, 6) // with more, a node of a cluster may get no processor for a lease, and has lost it
	races := ""
	if os.Getenv("GORACE") == "" { // else this is a command of the tests', or it was set on purpose
		dir, err := os.MkdirTemp("", "tcpctl-race")
		if err != nil {
			panic(err)
		}
		os.Chmod(dir, 0o777) // for those that run as another user
		races = dir
		os.Setenv("STATE_DIRECTORY", filepath.Join(dir, "state")) // the machine's own is left alone
		// The sleep would be a second at the end of each command.
		os.Setenv("GORACE", "atexit_sleep_ms=0 log_path="+filepath.Join(dir, "race"))
	}
	testscript.Main(tidy{m, races}, map[string]func(){"tcpctl": func() {
		fateOfUpgrades()
		nodeReports = 8 * time.Second
		main()
	}})
}

// tidy fails a run that leaves a goroutine or a process behind, or in which the race
// detector has found something in a command, which only the command's own
// stderr would say otherwise.
type tidy struct {
	*testing.M
	races string // where it writes
}

func (t tidy) Run() int {
	// For a test that runs tcpctl as another user.
	if path, err := exec.LookPath("tcpctl"); err == nil {
		os.Chmod(filepath.Dir(filepath.Dir(path)), 0o755)
	}
	status := t.M.Run()
	if t.foundRaces() {
		return 1
	}
	if left := leftovers(); len(left) > 0 {
		fmt.Fprintf(os.Stderr, "processes that no test has ended:\n%s\n", strings.Join(left, "\n"))
		return 1
	}
	if status == 0 {
		if err := goleak.Find(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
	}
	return status
}

// foundRaces prints what the race detector has found in commands.
func (t tidy) foundRaces() (found bool) {
	if t.races == "" {
		return false
	}
	defer os.RemoveAll(t.races)
	files, _ := filepath.Glob(filepath.Join(t.races, "race*"))
	for _, name := range files {
		text, _ := os.ReadFile(name)
		fmt.Fprintf(os.Stderr, "a command of the tests: %s\n", text)
	}
	return len(files) > 0
}
