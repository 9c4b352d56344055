package main

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// entry is one file of an archive or of an image; a name that ends in / is a folder.
type entry struct {
	name string
	mode int64
	uid  int
	from string // path of the content; "": text is the content
	text []byte
}

func (e entry) content() ([]byte, error) {
	if e.from == "" {
		return e.text, nil
	}
	return os.ReadFile(e.from)
}

// writeTar writes entries in order, all with the same time.
func writeTar(w io.Writer, entries []entry, at time.Time) error {
	t := tar.NewWriter(w)
	for _, e := range entries {
		text, err := e.content()
		if err != nil {
			return err
		}
		h := &tar.Header{Name: e.name, Mode: e.mode, Uid: e.uid, Gid: e.uid, Size: int64(len(text)), ModTime: at, Typeflag: tar.TypeReg, Format: tar.FormatUSTAR}
		if strings.HasSuffix(e.name, "/") {
			h.Typeflag, h.Size = tar.TypeDir, 0
		}
		if err := t.WriteHeader(h); err != nil {
			return err
		}
		if _, err := t.Write(text); err != nil {
			return err
		}
	}
	return t.Close()
}

// writeTarGz is writeTar with gzip, whose header has neither a name nor a time.
func writeTarGz(w io.Writer, entries []entry, at time.Time) error {
	z, err := gzip.NewWriterLevel(w, gzip.BestCompression)
	if err != nil {
		return err
	}
	if err := writeTar(z, entries, at); err != nil {
		return err
	}
	return z.Close()
}

func writeZip(w io.Writer, entries []entry, at time.Time) error {
	z := zip.NewWriter(w)
	for _, e := range entries {
		text, err := e.content()
		if err != nil {
			return err
		}
		h := &zip.FileHeader{Name: e.name, Method: zip.Deflate, Modified: at}
		h.SetMode(os.FileMode(e.mode))
		f, err := z.CreateHeader(h)
		if err != nil {
			return err
		}
		if _, err := f.Write(text); err != nil {
			return err
		}
	}
	return z.Close()
}

// archives writes the archives for systems without a package.
func (r *release) archives() error {
	for _, t := range r.targets {
		entries, err := r.archiveOf(t)
		if err != nil {
			return err
		}
		var b bytes.Buffer
		if t.os == "windows" {
			err = writeZip(&b, entries, r.time)
		} else {
			err = writeTarGz(&b, entries, r.time)
		}
		if err != nil {
			return err
		}
		if err := r.put(r.file(r.archiveName(t)), b.Bytes()); err != nil {
			return err
		}
	}
	return nil
}

func (r *release) archiveName(t target) string {
	name := fmt.Sprintf("tcpctl_%s_%s_%s", r.version, t.os, t.arch)
	if t.os == "windows" {
		return name + ".zip"
	}
	return name + ".tar.gz"
}

// archiveOf returns the entries of an archive, all in one folder.
func (r *release) archiveOf(t target) ([]entry, error) {
	binary := r.built[t]
	all := []entry{{name: filepath.Base(binary), mode: 0o755, from: binary},
		{name: "tcpctl.toml.example", mode: 0o644, from: r.work("tcpctl.toml")},
		{name: "THIRD_PARTY_LICENSES.txt", mode: 0o644, from: r.work("THIRD_PARTY_LICENSES.txt")}}
	for _, name := range []string{"LICENSE", "README.md", "CHANGELOG.md"} {
		all = append(all, entry{name: name, mode: 0o644, from: r.source(name)})
	}
	for _, pattern := range []struct{ from, to string }{{r.source("cmd/tcpctl/docs/*.*"), "docs"}, {r.source("cmd/tcpctl/docs/man/*"), "man"}, {r.source("cmd/tcpctl/examples/*"), "examples"}, {r.work("completions", "*"), "completions"}} {
		files, err := filepath.Glob(pattern.from)
		if err != nil || len(files) == 0 {
			return nil, fmt.Errorf("there is no %s", pattern.from)
		}
		for _, f := range files {
			if pattern.to == "man" && t.os == "windows" {
				continue
			}
			all = append(all, entry{name: path.Join(pattern.to, filepath.Base(f)), mode: 0o644, from: f})
		}
	}
	if t.os == "linux" {
		for _, name := range []string{"tcpctl.service", "tcpctl.socket", "sysusers.conf", "logrotate.conf"} {
			all = append(all, entry{name: "systemd/" + name, mode: 0o644, from: r.source("cmd/tcpctl/packaging", name)})
		}
	}
	folder := strings.TrimSuffix(strings.TrimSuffix(r.archiveName(t), ".tar.gz"), ".zip")
	for i := range all {
		all[i].name = path.Join(folder, all[i].name)
	}
	slices.SortFunc(all, func(a, b entry) int { return strings.Compare(a.name, b.name) })
	return all, nil
}

// checksums writes the checksums of all files, for sha256sum -c.
func (r *release) checksums() error {
	files, err := os.ReadDir(r.out)
	if err != nil {
		return err
	}
	var b bytes.Buffer
	for _, f := range files {
		if f.IsDir() {
			continue
		}
		sum, err := sumOf(r.file(f.Name()))
		if err != nil {
			return err
		}
		fmt.Fprintf(&b, "%s  %s\n", sum, f.Name())
	}
	fmt.Print(b.String())
	return r.put(r.file("SHA256SUMS"), b.Bytes())
}

func sumOf(path string) (string, error) {
	text, err := os.ReadFile(path)
	return fmt.Sprintf("%x", sha256.Sum256(text)), err
}
