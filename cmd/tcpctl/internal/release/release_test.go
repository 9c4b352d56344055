package main

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// built begins a release with a text file in place of the binary.
func built(t *testing.T) *release {
	t.Helper()
	root, err := filepath.Abs("../../../..")
	if err != nil {
		t.Fatal(err)
	}
	r := &release{root: root, out: t.TempDir(), version: "1.2.0-rc.1", commit: "abc", time: time.Unix(1_700_000_000, 0).UTC(),
		targets: allTargets, built: map[target]string{}, ctx: context.Background()}
	for _, x := range r.targets {
		r.built[x] = r.work("bin", x.os+"_"+x.arch, "tcpctl")
		if err := r.put(r.built[x], []byte("the program for "+x.String())); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"completions/bash", "tcpctl.toml", "THIRD_PARTY_LICENSES.txt"} {
		if err := r.put(r.work(name), []byte(name)); err != nil {
			t.Fatal(err)
		}
	}
	return r
}

// made makes such a release: all steps after the build.
func made(t *testing.T) *release {
	t.Helper()
	r := built(t)
	for _, step := range []func() error{r.archives, r.image, r.formula, r.checksums} {
		if err := step(); err != nil {
			t.Fatal(err)
		}
	}
	return r
}

// TestTheSameBytes: two releases of one commit are identical.
func TestTheSameBytes(t *testing.T) {
	t.Parallel()
	first, second := made(t), made(t)
	a, _ := os.ReadFile(first.file("SHA256SUMS"))
	b, _ := os.ReadFile(second.file("SHA256SUMS"))
	if len(a) == 0 || !bytes.Equal(a, b) {
		t.Errorf("the first release\n%s\nthe second\n%s", a, b)
	}
	if n := strings.Count(string(a), "\n"); n != len(allTargets)+2 {
		t.Errorf("%d checksums", n)
	}
}

// TestTheImage follows the image layout from its index to the program.
func TestTheImage(t *testing.T) {
	t.Parallel()
	r := made(t)
	text, err := os.ReadFile(r.file("tcpctl_1.2.0-rc.1_oci.tar"))
	if err != nil {
		t.Fatal(err)
	}
	files := untar(t, text)
	blob := func(d descriptor, into any) []byte {
		text, ok := files["blobs/sha256/"+strings.TrimPrefix(d.Digest, "sha256:")]
		if !ok || fmt.Sprintf("sha256:%x", sha256.Sum256(text)) != d.Digest || len(text) != d.Size {
			t.Fatalf("there is no blob %v", d)
		}
		if into != nil {
			if err := json.Unmarshal(text, into); err != nil {
				t.Fatal(err)
			}
		}
		return text
	}
	type list struct{ Manifests []descriptor }
	var index, all list
	if err := json.Unmarshal(files["index.json"], &index); err != nil || len(index.Manifests) != 1 {
		t.Fatal(err, index)
	}
	blob(index.Manifests[0], &all)
	if len(all.Manifests) != 2 {
		t.Fatalf("images for %v", all.Manifests)
	}
	for _, m := range all.Manifests {
		var manifest struct {
			Config descriptor
			Layers []descriptor
		}
		var config struct {
			Architecture string
			Config       struct {
				User            string
				Entrypoint, Cmd []string
			}
		}
		blob(m, &manifest)
		blob(manifest.Config, &config)
		if config.Architecture != m.Platform.Architecture || config.Config.User != "65532:65532" || !slices.Contains(config.Config.Cmd, "--no-ui") {
			t.Errorf("the configuration is %+v", config)
		}
		blob(manifest.Layers[0], nil)
	}
}

func untar(t *testing.T, text []byte) map[string][]byte {
	t.Helper()
	files := map[string][]byte{}
	for r := tar.NewReader(bytes.NewReader(text)); ; {
		h, err := r.Next()
		if err == io.EOF {
			return files
		} else if err != nil {
			t.Fatal(err)
		}
		if files[h.Name], err = io.ReadAll(r); err != nil {
			t.Fatal(err)
		}
	}
}

// TestTheFormulaHasTheSums: the formula has the checksums of the archives that it names.
func TestTheFormulaHasTheSums(t *testing.T) {
	t.Parallel()
	r := made(t)
	text, err := os.ReadFile(r.file("tcpctl.rb"))
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range []target{{"darwin", "arm64"}, {"darwin", "amd64"}, {"linux", "arm64"}, {"linux", "amd64"}} {
		sum, err := sumOf(r.file(r.archiveName(x)))
		if err != nil {
			t.Fatal(err)
		}
		if want := r.archiveName(x) + "\"\n      sha256 \"" + sum + "\""; !strings.Contains(string(text), want) {
			t.Errorf("the formula does not have %s\n%s", want, text)
		}
	}
}

// TestPackagesHaveFilesThatAreThere: nfpm would only notice a missing file at a release.
func TestPackagesHaveFilesThatAreThere(t *testing.T) {
	t.Parallel()
	r := built(t)
	for _, shell := range []string{"zsh", "fish"} {
		if err := r.put(r.work("completions", shell), nil); err != nil {
			t.Fatal(err)
		}
	}
	files, err := r.contents(target{"linux", "amd64"})
	if err != nil {
		t.Fatal(err)
	}
	at := map[string]string{}
	for _, f := range files {
		if _, err := os.Stat(f.Src); f.Type != "dir" && err != nil {
			t.Error(err)
		}
		for _, packager := range []string{"deb", "rpm", "apk"} {
			if key := packager + f.Dst; f.Packager == "" || f.Packager == packager {
				if at[key] != "" {
					t.Errorf("%s has two files at %s", packager, f.Dst)
				}
				at[key] = f.Src
			}
		}
	}
	for _, want := range []string{"/usr/bin/tcpctl", "/etc/logrotate.d/tcpctl",
		"/usr/share/man/man1/tcpctl.1.gz", "/usr/share/man/man5/tcpctl.toml.5.gz", "/usr/share/doc/tcpctl/examples/tcpctl.toml", "/usr/share/doc/tcpctl/examples/postgresql.toml"} {
		if at["deb"+want] == "" || at["rpm"+want] == "" || at["apk"+want] == "" {
			t.Errorf("there is no %s", want)
		}
	}
	// Alpine has no systemd.
	for _, unit := range []string{"/usr/lib/systemd/system/tcpctl.service", "/usr/lib/sysusers.d/tcpctl.conf"} {
		if at["deb"+unit] == "" || at["rpm"+unit] == "" || at["apk"+unit] != "" {
			t.Errorf("%s is in deb: %t, rpm: %t, apk: %t", unit, at["deb"+unit] != "", at["rpm"+unit] != "", at["apk"+unit] != "")
		}
	}
	if at["apk/etc/init.d/tcpctl"] == "" || at["deb/etc/init.d/tcpctl"] != "" {
		t.Error("the OpenRC script must be in apk only")
	}
}

func TestLicenceOf(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"Apache License\n   Version 2.0, January 2004":                                        "Apache-2.0",
		"Permission is hereby granted, free of charge, to any\nperson obtaining a copy of it": "MIT",
		"Redistribution and use in source and binary forms … Neither the name of Google":      "BSD-3-Clause",
		"Redistribution and use in source and binary\nforms, with or without":                 "BSD-2-Clause",
		"All rights reserved": "",
	} {
		if got := licenceOf(text); got != want {
			t.Errorf("%q is %q, want %q", text, got, want)
		}
	}
}

// TestEachModuleHasALicence: on each system, each module's licence is recognized, and its text is
// among the notices. A release would only notice at its end.
func TestEachModuleHasALicence(t *testing.T) {
	r := built(t)
	dirs := map[string]string{}
	for _, system := range []string{"linux", "darwin", "windows", "freebsd"} {
		t.Setenv("GOOS", system)
		t.Setenv("CGO_ENABLED", "0")
		text, err := r.output("go", "list", "-deps", "-f", "{{with .Module}}{{if not .Main}}{{.Path}}\t{{.Dir}}{{end}}{{end}}", "./cmd/tcpctl")
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(text) {
			if path, dir, ok := strings.Cut(strings.TrimSpace(line), "\t"); ok {
				dirs[path] = dir
			}
		}
	}
	if len(dirs) < 40 {
		t.Errorf("only %d modules", len(dirs))
	}
	var all []*module
	for path, dir := range dirs {
		m := &module{Path: path, Dir: dir, Version: "v1.2.3"}
		if err := m.read(); err != nil || m.licence == "" || len(m.texts) == 0 {
			t.Errorf("%s: the licence is %q of %d texts, %v", path, m.licence, len(m.texts), err)
		}
		all = append(all, m)
	}
	text, err := notices("1.0.0", all)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range all {
		if !strings.Contains(string(text), m.Path+" v1.2.3: "+m.licence+"\n") {
			t.Errorf("%s is not in the list", m.Path)
		}
		for _, licence := range m.texts {
			if !strings.Contains(string(text), licence) {
				t.Errorf("a licence of %s is missing:\n%.200s", m.Path, licence)
			}
		}
	}
}

// TestAnArchiveUnpacksIntoAFolder: all of an archive is in one folder, with everything that its system needs.
func TestAnArchiveUnpacksIntoAFolder(t *testing.T) {
	t.Parallel()
	r := built(t)
	for _, x := range r.targets {
		entries, err := r.archiveOf(x)
		if err != nil {
			t.Fatal(err)
		}
		names := map[string]int64{}
		folder := strings.TrimSuffix(strings.TrimSuffix(r.archiveName(x), ".tar.gz"), ".zip") + "/"
		for _, e := range entries {
			name, inside := strings.CutPrefix(e.name, folder)
			if !inside {
				t.Errorf("%s: %s is not in %s", x, e.name, folder)
			}
			names[name] = e.mode
		}
		for name, mode := range map[string]int64{"tcpctl": 0o755, "LICENSE": 0o644, "THIRD_PARTY_LICENSES.txt": 0o644, "examples/postgresql.toml": 0o644, "docs/config.md": 0o644} {
			if names[name] != mode {
				t.Errorf("%s: %s has the mode %o", x, name, names[name])
			}
		}
		if _, has := names["man/tcpctl.1"]; has != (x.os != "windows") {
			t.Errorf("%s: manual pages: %v", x, has)
		}
		if _, has := names["systemd/tcpctl.service"]; has != (x.os == "linux") {
			t.Errorf("%s: a unit: %v", x, has)
		}
	}
}
