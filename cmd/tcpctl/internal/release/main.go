// Command release makes all that a release of tcpctl consists of:
//
//	go run ./cmd/tcpctl/internal/release -version 1.2.0 -out dist
//
// Static, stripped binaries for each system and processor in archives, deb, rpm
// and apk packages, a Homebrew formula, an OCI image layout, an SBOM, the
// licences of all modules, and the checksums of these files. No daemon, no
// account and no network is needed but for Go modules, and the same commit
// gives the same bytes: the only time in them is the commit's.
package main

import (
	"cmp"
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// release is a release under construction.
type release struct {
	root    string // of the module
	out     string // output folder
	version string // without the leading v
	commit  string
	time    time.Time // of the commit
	targets []target
	built   map[target]string // the binaries
	ctx     context.Context
}

// target is the system and processor of a binary.
type target struct{ os, arch string }

func (t target) String() string { return t.os + "/" + t.arch }

var allTargets = []target{{"linux", "amd64"}, {"linux", "arm64"}, {"darwin", "amd64"}, {"darwin", "arm64"},
	{"windows", "amd64"}, {"windows", "arm64"}, {"freebsd", "amd64"}, {"freebsd", "arm64"}}

func main() {
	out := flag.String("out", "dist", "the `FOLDER` that the files go to; it is emptied first")
	version := flag.String("version", "", "the `VERSION`, like 1.2.0 (default: the tag v1.2.0 of the commit, else 0.0.0-dev.TIME of it)")
	only := flag.String("only", "", "only these `TARGETS`, like linux/amd64,linux/arm64")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	r, err := begin(ctx, *out, *version, *only)
	if err == nil {
		err = r.all()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "release:", err)
		os.Exit(1)
	}
}

// begin determines what to release.
func begin(ctx context.Context, out, version, only string) (*release, error) {
	r := &release{version: strings.TrimPrefix(version, "v"), targets: allTargets, built: map[target]string{}, ctx: ctx}
	var err error
	if r.root, err = r.output("go", "list", "-m", "-f", "{{.Dir}}"); err != nil {
		return nil, err
	}
	if r.out, err = filepath.Abs(out); err != nil {
		return nil, err
	}
	if r.commit, err = r.output("git", "rev-parse", "HEAD"); err != nil {
		return nil, err
	}
	stamp, err := r.output("git", "log", "-1", "--format=%ct")
	if err != nil {
		return nil, err
	}
	seconds, err := strconv.ParseInt(stamp, 10, 64)
	if err != nil {
		return nil, err
	}
	r.time = time.Unix(seconds, 0).UTC()
	if changes, err := r.output("git", "status", "--porcelain"); err != nil || changes != "" {
		fmt.Fprintln(os.Stderr, "release: warning: the work tree differs from the commit, and so will the binaries")
		r.commit += "+changed"
	}
	if r.version == "" {
		tag, _ := r.output("git", "describe", "--tags", "--exact-match")
		r.version = strings.TrimPrefix(tag, "v")
	}
	r.version = cmp.Or(r.version, "0.0.0-dev."+r.time.Format("20060102150405"))
	if !regexp.MustCompile(`^\d+\.\d+\.\d+(-[0-9A-Za-z.]+)?$`).MatchString(r.version) {
		return nil, fmt.Errorf("version %q is not like 1.2.0 or 1.2.0-rc.1", r.version)
	}
	if only != "" {
		r.targets = nil
		for name := range strings.SplitSeq(only, ",") {
			system, arch, _ := strings.Cut(name, "/")
			r.targets = append(r.targets, target{system, arch})
		}
	}
	return r, nil
}

// all makes one part after the other, to leave processors to others.
func (r *release) all() error {
	if err := os.RemoveAll(r.out); err != nil {
		return err
	}
	if err := os.MkdirAll(r.out, 0o755); err != nil {
		return err
	}
	for _, step := range []struct {
		name string
		do   func() error
	}{{"binaries", r.binaries}, {"licences", r.licences}, {"completions", r.completions}, {"archives", r.archives}, {"packages", r.packages},
		{"image", r.image}, {"formula", r.formula}, {"SBOM", r.sbom}, {"checksums", r.checksums}} {
		fmt.Printf("== %s\n", step.name)
		if err := step.do(); err != nil {
			return fmt.Errorf("%s: %w", step.name, err)
		}
	}
	return os.RemoveAll(r.work())
}

// work returns a path for files that are not part of the release.
func (r *release) work(names ...string) string {
	return filepath.Join(append([]string{r.out, ".work"}, names...)...)
}

func (r *release) file(name string) string { return filepath.Join(r.out, name) }

// source returns the path of a file of the repository.
func (r *release) source(names ...string) string {
	return filepath.Join(append([]string{r.root}, names...)...)
}

// output runs a command and returns its output.
func (r *release) output(name string, args ...string) (string, error) {
	cmd := exec.CommandContext(r.ctx, name, args...)
	cmd.Dir = r.root
	out, err := cmd.Output()
	if failed, ok := err.(*exec.ExitError); ok {
		err = fmt.Errorf("%s: %w: %s", strings.Join(cmd.Args, " "), err, failed.Stderr)
	}
	return strings.TrimSpace(string(out)), err
}

// run runs a command with additional environment variables, and shows its output.
func (r *release) run(env []string, name string, args ...string) error {
	cmd := exec.CommandContext(r.ctx, name, args...)
	cmd.Dir = r.root
	cmd.Env = append(os.Environ(), env...)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s: %w", strings.Join(cmd.Args, " "), err)
	}
	return nil
}
