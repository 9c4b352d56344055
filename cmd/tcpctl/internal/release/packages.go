package main

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// nfpm writes packages. It is run as a tool of its own: its modules are no
// business of tcpctl's go.mod.
const nfpm = "github.com/goreleaser/nfpm/v2/cmd/nfpm@v2.45.2"

const maintainer = "The tcpctl authors <tcpctl@users.noreply.github.com>"

// content is one file of a package, as nfpm has it.
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

// packages makes a deb, an rpm and an apk for each processor of linux.
func (r *release) packages() error {
	tool, err := r.tool()
	if err != nil {
		return err
	}
	// An apk has the times of its scripts' files in it.
	for _, name := range []string{"postinstall.sh", "postinstall-apk.sh", "preremove.sh", "postremove.sh"} {
		text, err := os.ReadFile(r.source("cmd/tcpctl/packaging", name))
		if err != nil {
			return err
		}
		if err := r.put(r.work("scripts", name), text); err != nil {
			return err
		}
	}
	for _, t := range r.targets {
		if t.os != "linux" {
			continue
		}
		files, err := r.contents(t)
		if err != nil {
			return err
		}
		config, err := json.MarshalIndent(r.nfpmConfig(t, files), "", "  ")
		if err != nil {
			return err
		}
		path := r.work("nfpm-" + t.arch + ".yaml") // JSON is YAML
		if err := r.put(path, config); err != nil {
			return err
		}
		for _, kind := range []string{"deb", "rpm", "apk"} {
			if err := r.run([]string{r.epoch()}, tool, "package", "--config", path, "--packager", kind, "--target", r.out+string(filepath.Separator)); err != nil {
				return err
			}
		}
	}
	return nil
}

// tool builds nfpm for this machine.
func (r *release) tool() (string, error) {
	dir := r.work("tools")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	return filepath.Join(dir, "nfpm"), r.run([]string{"GOBIN=" + dir, "GOFLAGS=", "GOOS=", "GOARCH="}, "go", "install", nfpm)
}

func (r *release) nfpmConfig(t target, files []content) map[string]any {
	script := func(name string) string { return r.work("scripts", name) }
	scripts := map[string]any{"postinstall": script("postinstall.sh"), "preremove": script("preremove.sh"), "postremove": script("postremove.sh")}
	return map[string]any{
		"name": "tcpctl", "arch": t.arch, "platform": "linux", "version": r.version, "mtime": r.time,
		"section": "net", "priority": "optional", "maintainer": maintainer, "license": "MIT",
		"homepage": "https://github.com/tcpctl/tcpctl", "vendor": "The tcpctl authors",
		"description": "TCP services that can be maintained while clients are connected\n" +
			"tcpctl proxies TCP to health-checked backends, holds clients in a queue in\n" +
			"front of fragile services, bridges WebSocket to TCP, and lets its operator\n" +
			"drain, pause and restart what is behind it while clients are connected.",
		"contents": files, "scripts": scripts,
		"deb":       map[string]any{"compression": "xz"},
		"rpm":       map[string]any{"buildhost": "tcpctl", "compression": "xz", "summary": "TCP services that can be maintained while clients are connected", "group": "System Environment/Daemons"},
		"apk":       map[string]any{"scripts": map[string]string{"postupgrade": script("postinstall-apk.sh")}},
		"overrides": map[string]any{"apk": map[string]any{"scripts": map[string]string{"postinstall": script("postinstall-apk.sh"), "preremove": script("preremove.sh")}}},
	}
}

// contents are the files of a package.
func (r *release) contents(t target) ([]content, error) {
	info := &fileInfo{Mode: 0o644, MTime: r.time}
	var all []content
	add := func(src, dst, packager string) {
		all = append(all, content{Src: src, Dst: dst, Packager: packager, Info: info})
	}
	all = append(all, content{Src: r.built[t], Dst: "/usr/bin/tcpctl", Info: &fileInfo{0o755, r.time}})
	folder := &fileInfo{0o755, r.time}
	all = append(all, content{Dst: "/etc/tcpctl", Type: "dir", Info: folder})
	pack := r.source("cmd/tcpctl/packaging")
	for _, unit := range []string{"tcpctl.service", "tcpctl.socket"} {
		dst := "/usr/lib/systemd/system/" + unit
		if unit == "tcpctl.socket" {
			dst = "/usr/share/doc/tcpctl/examples/" + unit
		}
		add(filepath.Join(pack, unit), dst, "")
	}
	add(filepath.Join(pack, "sysusers.conf"), "/usr/lib/sysusers.d/tcpctl.conf", "")
	all = append(all, content{Src: filepath.Join(pack, "logrotate.conf"), Dst: "/etc/logrotate.d/tcpctl", Type: "config|noreplace", Info: info})
	add(r.work("completions/bash"), "/usr/share/bash-completion/completions/tcpctl", "")
	add(r.work("completions/zsh"), "/usr/share/zsh/vendor-completions/_tcpctl", "deb")
	add(r.work("completions/zsh"), "/usr/share/zsh/site-functions/_tcpctl", "rpm")
	add(r.work("completions/zsh"), "/usr/share/zsh/site-functions/_tcpctl", "apk")
	add(r.work("completions/fish"), "/usr/share/fish/vendor_completions.d/tcpctl.fish", "")
	add(r.work("tcpctl.toml"), "/usr/share/doc/tcpctl/examples/tcpctl.toml", "")
	add(r.source("cmd/tcpctl/docs/config.schema.json"), "/usr/share/doc/tcpctl/config.schema.json", "")
	add(r.source("cmd/tcpctl/docs/openapi.json"), "/usr/share/doc/tcpctl/openapi.json", "")
	add(r.source("LICENSE"), "/usr/share/licenses/tcpctl/LICENSE", "rpm")
	add(r.source("LICENSE"), "/usr/share/licenses/tcpctl/LICENSE", "apk")
	if err := r.put(r.work("copyright"), r.copyright()); err != nil {
		return nil, err
	}
	add(r.work("copyright"), "/usr/share/doc/tcpctl/copyright", "deb")
	for _, z := range []struct{ name, dst, packager string }{{r.work("THIRD_PARTY_LICENSES.txt"), "/usr/share/doc/tcpctl/THIRD_PARTY_LICENSES.txt.gz", ""}, {"", "/usr/share/doc/tcpctl/changelog.gz", "deb"}} {
		text := r.debianChangelog()
		if z.name != "" {
			var err error
			if text, err = os.ReadFile(z.name); err != nil {
				return nil, err
			}
		}
		if err := r.zip(z.dst, text); err != nil {
			return nil, err
		}
		add(r.work("gz", filepath.Base(z.dst)), z.dst, z.packager)
	}
	add(filepath.Join(pack, "lintian-overrides"), "/usr/share/lintian/overrides/tcpctl", "deb")
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
		add(r.work("gz", name), "/usr/share/man/man"+strings.TrimPrefix(filepath.Ext(page), ".")+"/"+name, "")
	}
	return all, err
}

// zip packs a text without a name and a time.
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
	return r.put(r.work("gz", filepath.Base(name)), b.Bytes())
}

// debianVersion is the version as nfpm writes it for Debian.
func (r *release) debianVersion() string { return strings.Replace(r.version, "-", "~", 1) }

func (r *release) debianChangelog() []byte {
	return fmt.Appendf(nil, "tcpctl (%s) unstable; urgency=medium\n\n  * See https://github.com/tcpctl/tcpctl/blob/main/CHANGELOG.md\n\n -- %s  %s\n",
		r.debianVersion(), maintainer, r.time.Format(time.RFC1123Z))
}

// copyright is in Debian's machine-readable form.
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
