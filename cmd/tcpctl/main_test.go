package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"go.uber.org/goleak"
)

// TestMain puts this binary into PATH as "tcpctl", so that the tests start the
// real thing as processes of their own: also with the race detector.
func TestMain(m *testing.M) {
	os.Setenv("GORACE", "atexit_sleep_ms=0") // a second at the end of each command, otherwise
	testscript.Main(tidy{m}, map[string]func(){"tcpctl": main})
}

// tidy fails a run that leaves a goroutine behind.
type tidy struct{ *testing.M }

func (t tidy) Run() int {
	// For a test that runs tcpctl as another user.
	if path, err := exec.LookPath("tcpctl"); err == nil {
		os.Chmod(filepath.Dir(filepath.Dir(path)), 0o755)
	}
	status := t.M.Run()
	if status == 0 {
		if err := goleak.Find(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
	}
	return status
}
