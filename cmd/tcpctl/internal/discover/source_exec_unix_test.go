//go:build unix

package discover

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// script writes an executable file, and returns its path.
func script(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "list")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+text), 0o700); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestExec(t *testing.T) {
	scripts := map[string]string{
		`echo '["10.0.0.1:1", {"name": "b", "addr": "10.0.0.2:1", "weight": 4, "priority": 2}]'`: "refresh 10.0.0.1:1 b=10.0.0.2:1,4,2",
		`echo '[]'`: "refresh",
		`echo "$0 runs" >&2; echo '["10.0.0.1:1"]'`:                     "refresh 10.0.0.1:1",
		`echo '[{"name": "'$TCPCTL_SERVICE'", "addr": "10.0.0.1:1"}]'`:  "refresh db=10.0.0.1:1",
		`echo '["10.0.0.1:1"]'; echo "no route to the API" >&2; exit 1`: "! exit status 1: no route to the API",
		`exit 3`:                               "! exit status 3",
		`echo garbage`:                         "! line 1: invalid character 'g' looking for beginning of value",
		`true`:                                 "! there is no JSON list in it",
		`echo null`:                            "! there is no JSON list in it",
		`echo '["10.0.0.1:1"'`:                 "! the list does not end",
		`echo '["10.0.0.1:1"] ["10.0.0.2:1"]'`: "! there is more text behind the list",
		`echo '[{"adr": "10.0.0.1:1"}]'`:       `! line 1: unknown field "adr"`,
		`echo '["10.0.0.1"]'`:                  `! backend "10.0.0.1" cannot be used: `,
		`echo '[{"addr": "10.0.0.1:1", "weight": -1}]'`:                 "! element 1: weight -1 is below 0",
		`echo '[{"name":"a","addr":"h:1"}, {"name":"a","addr":"h:2"}]'`: `! the answer has two different backends of the name "a"`,
		`echo '[{"name":"a","addr":"h:1"}, {"name":"a","addr":"h:1"}]'`: "refresh a=h:1",
		`echo '[{"name":"a b","addr":"h:1"}]'`:                          `! backend "a b" cannot be used`,
		`exec yes 123456789`:                                            "! printed more than 1 MiB",
		`trap '' PIPE; while :; do echo 123456789 || exit 1; done 2>&-`: "! printed more than 1 MiB",
	}
	paths := map[string]string{} // write all before the first runs: a fork that inherits an open file would make it "text file busy"
	for text := range scripts {
		paths[text] = script(t, text)
	}
	for text, want := range scripts {
		t.Run(text, func(t *testing.T) {
			t.Parallel()
			path := paths[text]
			got := asked(t, &Spec{From: "exec:" + path, Timeout: 30 * time.Second})
			for _, cut := range []string{"command: " + path + ": ", path + ": ", path + " "} {
				got = strings.Replace(got, cut, "", 1)
			}
			if got != want && !(strings.HasPrefix(want, "! ") && strings.HasPrefix(got, want)) {
				t.Errorf("got %s, want %s", got, want)
			}
		})
	}
	if got := asked(t, &Spec{From: "exec:/no/such/program"}); !strings.Contains(got, "no such file") {
		t.Errorf("a program that is missing: %s", got)
	}
}

// A program that hangs is killed with its children, at its timeout and at the end of the source.
func TestExecHangs(t *testing.T) {
	t.Parallel()
	hangs := func(t *testing.T) (spec *Spec, pids string) {
		t.Parallel()
		pids = filepath.Join(t.TempDir(), "pids")
		path := script(t, "trap '' TERM\nsleep 1000 & echo $$ $! >"+pids+"\nwait; wait; sleep 1000")
		return &Spec{From: "exec:", Run: []string{path, "an argument"}, Timeout: time.Hour}, pids
	}
	started := func(pids string) bool {
		b, _ := os.ReadFile(pids)
		return strings.HasSuffix(string(b), "\n")
	}
	t.Run("timeout", func(t *testing.T) {
		spec, pids := hangs(t)
		for spec.Timeout = 200 * time.Millisecond; !started(pids) && spec.Timeout < time.Minute; spec.Timeout *= 2 { // until it is long enough for the program to start
			if got := asked(t, spec); !strings.Contains(got, "did not end within "+spec.Timeout.String()) {
				t.Fatalf("got %s", got)
			}
		}
		gone(t, pids)
	})
	t.Run("end", func(t *testing.T) {
		spec, pids := hangs(t)
		src, err := spec.open("db")
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		go func() {
			for !started(pids) && ctx.Err() == nil {
				time.Sleep(time.Millisecond)
			}
			cancel()
		}()
		if _, err := src.ask(ctx, 0); err == nil {
			t.Error("a program that was ended has answered")
		}
		src.close()
		gone(t, pids)
	})
}

// gone waits until none of the processes listed in a file lives.
func gone(t *testing.T, path string) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, word := range strings.Fields(string(text)) {
		pid := 0
		for _, r := range word {
			pid = 10*pid + int(r-'0')
		}
		for begun := time.Now(); syscall.Kill(pid, 0) == nil; time.Sleep(time.Millisecond) {
			if stat, _ := os.ReadFile("/proc/" + word + "/stat"); strings.Contains(string(stat), ") Z ") {
				break // a zombie
			}
			if time.Since(begun) > time.Minute {
				t.Fatalf("process %d is still alive", pid)
			}
		}
	}
}

func TestFileThatIsNone(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	pipe := filepath.Join(dir, "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{pipe: "is not a regular file", dir: "is a folder", filepath.Join(dir, "no"): "no such file"} {
		if got := asked(t, &Spec{From: "file:" + path}); !strings.HasPrefix(got, "! ") || !strings.Contains(got, want) {
			t.Errorf("%s: got %s", path, got)
		}
	}
}
