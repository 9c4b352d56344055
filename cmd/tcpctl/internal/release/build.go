package main

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"
)

// binaries builds for each target, without cgo, paths of the machine and the state of its
// repository, which must not affect the result.
func (r *release) binaries() error {
	for _, t := range r.targets {
		name := "tcpctl"
		if t.os == "windows" {
			name += ".exe"
		}
		path := r.work("bin", t.os+"_"+t.arch, name)
		if err := r.build(t, path); err != nil {
			return err
		}
		info, err := os.Stat(path)
		if err != nil {
			return err
		}
		r.built[t] = path
		fmt.Printf("%-14s %8.1f MB\n", t, float64(info.Size())/1e6)
	}
	return nil
}

func (r *release) build(t target, path string) error {
	flags := "-s -w -buildid="
	for _, set := range []struct{ name, to string }{{"version", r.version}, {"commit", r.commit}, {"date", r.time.Format(time.RFC3339)}} {
		flags += fmt.Sprintf(" -X github.com/tcpctl/tcpctl/cmd/tcpctl/internal/build.%s=%s", set.name, set.to)
	}
	return r.run([]string{"CGO_ENABLED=0", "GOOS=" + t.os, "GOARCH=" + t.arch, "GOFLAGS=", "GOAMD64=v1", "GOARM64=v8.0"},
		"go", "build", "-trimpath", "-buildvcs=false", "-ldflags", flags, "-o", path, "./cmd/tcpctl")
}

// here returns a binary that this machine can run.
func (r *release) here() (string, error) {
	t := target{runtime.GOOS, runtime.GOARCH}
	if path := r.built[t]; path != "" {
		return path, nil
	}
	path := r.work("here", "tcpctl")
	return path, r.build(t, path)
}

// completions writes the completion scripts and the configuration template.
func (r *release) completions() error {
	tcpctl, err := r.here()
	if err != nil {
		return err
	}
	// The linker ignores -X for a variable that does not exist.
	if says, err := r.output(tcpctl, "version", "--json"); err != nil || !strings.Contains(says, `"version": "`+r.version+`"`) || !strings.Contains(says, `"commit": "`+r.commit+`"`) {
		return fmt.Errorf("the binary does not say that it is %s of %s: %v\n%s", r.version, r.commit, err, says)
	}
	for _, shell := range []string{"bash", "zsh", "fish", "powershell"} {
		text, err := r.output(tcpctl, "completion", shell)
		if err != nil {
			return err
		}
		if err := r.put(r.work("completions", shell), []byte(text+"\n")); err != nil {
			return err
		}
	}
	text, err := r.output(tcpctl, "init")
	if err != nil {
		return err
	}
	return r.put(r.work("tcpctl.toml"), []byte(text+"\n"))
}

// put writes a file, and makes its folder.
func (r *release) put(path string, text []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(path, text, 0o644); err != nil {
		return err
	}
	return os.Chtimes(path, r.time, r.time)
}
