package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
)

// nfpm writes packages. It is run as a separate tool, to keep its modules out of go.mod.
const nfpm = "github.com/goreleaser/nfpm/v2/cmd/nfpm@v2.45.2"

const maintainer = "The tcpctl authors <tcpctl@users.noreply.github.com>"

// packages makes a deb, an rpm and an apk for each Linux target.
func (r *release) packages() error {
	tool, err := r.tool()
	if err != nil {
		return err
	}
	// An apk contains the times of its scripts' files.
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
			if err := r.run([]string{fmt.Sprintf("SOURCE_DATE_EPOCH=%d", r.time.Unix())}, tool, "package", "--config", path, "--packager", kind, "--target", r.out+string(filepath.Separator)); err != nil {
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
