package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"go.uber.org/goleak"

	"github.com/tcpctl/tcpctl/proxy/proxytest"
)

// TestMain puts this binary into PATH as "tcpctl", so that tests run the real program in separate
// processes, also with the race detector.
func TestMain(m *testing.M) {
	races := ""
	if os.Getenv("GORACE") == "" { // otherwise this is a command of a test, or it was set on purpose
		dir, err := os.MkdirTemp("", "tcpctl-race")
		if err != nil {
			panic(err)
		}
		os.Chmod(dir, 0o777) // for commands that run as another user
		races = dir
		os.Setenv("STATE_DIRECTORY", filepath.Join(dir, "state")) // not the machine's own
		// Without atexit_sleep_ms, each command would sleep for a second at its end.
		os.Setenv("GORACE", "atexit_sleep_ms=0 log_path="+filepath.Join(dir, "race"))
	}
	testscript.Main(tidy{m, races}, map[string]func(){"tcpctl": func() {
		fateOfUpgrades()
		nodeReports = 8 * time.Second
		main()
	}})
}

// sideBySide runs subtests at the same time, in the turn of their test. With t.Parallel they would begin after
// all other tests of the package have begun, and long ones would run on alone.
func sideBySide(t *testing.T, names []string, test func(t *testing.T, name string)) {
	var all sync.WaitGroup
	for _, name := range names {
		all.Go(func() { t.Run(name, func(t *testing.T) { test(t, name) }) })
	}
	all.Wait()
}

// tidy fails a run that leaves a goroutine or a process behind, or in which the race detector found
// a race in a command, which otherwise only the command's stderr would show.
type tidy struct {
	*testing.M
	races string // path prefix of the race detector's logs
}

func (t tidy) Run() int {
	// For tests that run tcpctl as another user.
	if path, err := exec.LookPath("tcpctl"); err == nil {
		os.Chmod(filepath.Dir(filepath.Dir(path)), 0o755)
	}
	proxytest.SetUp(20, 6) // with more, a cluster node may get no processor in time to renew its lease
	status := t.M.Run()
	if t.foundRaces() {
		return 1
	}
	if left := leftovers(); len(left) > 0 {
		fmt.Fprintf(os.Stderr, "processes left behind by tests:\n%s\n", strings.Join(left, "\n"))
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

// foundRaces prints the races found in commands.
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
