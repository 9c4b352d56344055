package main

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// content is a file of a package, in nfpm's format.
type content struct {
	Src      string    `json:"src,omitempty"`
	Dst      string    `json:"dst"`
	Type     string    `json:"type,omitempty"`
	Packager string    `json:"packager,omitempty"`
	Info     *fileInfo `json:"file_info,omitempty"`
}

type fileInfo struct {
	Mode  uint32    `json:"mode,omitempty"`
	MTime time.Time `json:"mtime"`
}

// contents returns the files of a package.
func (r *release) contents(t target) ([]content, error) {
	documents, err := r.documents()
	if err != nil {
		return nil, err
	}
	pages, err := r.pages()
	return slices.Concat(r.installed(t), documents, pages), err
}

// fileAt returns a file of the packager's packages, or of all packages if packager is "".
func (r *release) fileAt(src, dst, packager string) content {
	return content{Src: src, Dst: dst, Packager: packager, Info: &fileInfo{0o644, r.time}}
}

// installed returns the program, its units and completions.
func (r *release) installed(t target) []content {
	pack := func(name string) string { return r.source("cmd/tcpctl/packaging", name) }
	var units []content
	for _, packager := range []string{"deb", "rpm"} {
		units = append(units, r.fileAt(pack("tcpctl.service"), "/usr/lib/systemd/system/tcpctl.service", packager),
			r.fileAt(pack("sysusers.conf"), "/usr/lib/sysusers.d/tcpctl.conf", packager))
	}
	rotation := r.fileAt(pack("logrotate.conf"), "/etc/logrotate.d/tcpctl", "")
	rotation.Type = "config|noreplace"
	return append(units, []content{
		{Src: r.built[t], Dst: "/usr/bin/tcpctl", Info: &fileInfo{0o755, r.time}},
		{Dst: "/etc/tcpctl", Type: "dir", Info: &fileInfo{0o755, r.time}},
		rotation,
		{Src: pack("tcpctl.openrc"), Dst: "/etc/init.d/tcpctl", Packager: "apk", Info: &fileInfo{0o755, r.time}},
		r.fileAt(r.work("completions/bash"), "/usr/share/bash-completion/completions/tcpctl", ""),
		r.fileAt(r.work("completions/zsh"), "/usr/share/zsh/vendor-completions/_tcpctl", "deb"),
		r.fileAt(r.work("completions/zsh"), "/usr/share/zsh/site-functions/_tcpctl", "rpm"),
		r.fileAt(r.work("completions/zsh"), "/usr/share/zsh/site-functions/_tcpctl", "apk"),
		r.fileAt(r.work("completions/fish"), "/usr/share/fish/vendor_completions.d/tcpctl.fish", ""),
		r.fileAt(pack("lintian-overrides"), "/usr/share/lintian/overrides/tcpctl", "deb"),
	}...)
}

// documents returns examples, schemas and licences.
func (r *release) documents() ([]content, error) {
	const doc = "/usr/share/doc/tcpctl/"
	if err := r.put(r.work("copyright"), r.copyright()); err != nil {
		return nil, err
	}
	licences, err := os.ReadFile(r.work("THIRD_PARTY_LICENSES.txt"))
	if err == nil {
		err = r.zip("THIRD_PARTY_LICENSES.txt.gz", licences)
	}
	if err == nil {
		err = r.zip("changelog.gz", r.debianChangelog())
	}
	if err != nil {
		return nil, err
	}
	var all []content
	for _, dir := range []string{doc, doc + "examples", "/usr/share/licenses/tcpctl"} { // rpm removes only listed folders
		all = append(all, content{Dst: dir, Type: "dir", Packager: "rpm", Info: &fileInfo{0o755, r.time}})
	}
	all = append(all,
		r.fileAt(r.source("cmd/tcpctl/packaging/tcpctl.socket"), doc+"examples/tcpctl.socket", ""),
		r.fileAt(r.work("tcpctl.toml"), doc+"examples/tcpctl.toml", ""),
		r.fileAt(r.source("cmd/tcpctl/docs/config.schema.json"), doc+"config.schema.json", ""),
		r.fileAt(r.source("cmd/tcpctl/docs/openapi.json"), doc+"openapi.json", ""),
		r.fileAt(r.source("LICENSE"), "/usr/share/licenses/tcpctl/LICENSE", "rpm"),
		r.fileAt(r.source("LICENSE"), "/usr/share/licenses/tcpctl/LICENSE", "apk"),
		r.fileAt(r.work("copyright"), doc+"copyright", "deb"),
		r.fileAt(r.work("gz/changelog.gz"), doc+"changelog.gz", "deb"),
		r.fileAt(r.work("gz/THIRD_PARTY_LICENSES.txt.gz"), doc+"THIRD_PARTY_LICENSES.txt.gz", ""))
	examples, err := filepath.Glob(r.source("cmd/tcpctl/examples/*.toml"))
	for _, example := range examples {
		all = append(all, r.fileAt(example, doc+"examples/"+filepath.Base(example), ""))
	}
	return all, err
}

// pages returns the manual pages.
func (r *release) pages() (all []content, err error) {
	pages, err := filepath.Glob(r.source("cmd/tcpctl/docs/man/*"))
	for _, page := range pages {
		text, err := os.ReadFile(page)
		if err != nil {
			return nil, err
		}
		name := filepath.Base(page) + ".gz"
		if err := r.zip(name, text); err != nil {
			return nil, err
		}
		all = append(all, r.fileAt(r.work("gz", name), "/usr/share/man/man"+strings.TrimPrefix(filepath.Ext(page), ".")+"/"+name, ""))
	}
	return all, err
}

// zip writes a text with gzip, without a name and a time.
func (r *release) zip(name string, text []byte) error {
	var b bytes.Buffer
	z, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if err != nil {
		return err
	}
	if _, err := z.Write(text); err != nil {
		return err
	}
	if err := z.Close(); err != nil {
		return err
	}
	return r.put(r.work("gz", name), b.Bytes())
}

func (r *release) debianChangelog() []byte {
	return fmt.Appendf(nil, "tcpctl (%s) unstable; urgency=medium\n\n  * See https://github.com/tcpctl/tcpctl/blob/main/CHANGELOG.md\n\n -- %s  %s\n",
		strings.Replace(r.version, "-", "~", 1) /* as nfpm writes it */, maintainer, r.time.Format(time.RFC1123Z))
}

// copyright returns Debian's machine-readable copyright file.
func (r *release) copyright() []byte {
	text, _ := os.ReadFile(r.source("LICENSE"))
	var b bytes.Buffer
	b.WriteString("Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\nUpstream-Name: tcpctl\nSource: https://github.com/tcpctl/tcpctl\nComment:\n The modules that are linked into the binary, and their licences, are in\n /usr/share/doc/tcpctl/THIRD_PARTY_LICENSES.txt.gz.\n\n" +
		"Files: *\nCopyright: 2026 The tcpctl authors\nLicense: Expat\n")
	_, grant, _ := strings.Cut(string(text), "Permission is")
	for line := range strings.Lines("Permission is" + grant) {
		if line = strings.TrimSpace(line); line == "" {
			line = "."
		}
		b.WriteString(" " + line + "\n")
	}
	return b.Bytes()
}
