package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"time"
)

// The image contains only the program: no shell, no libraries, no root user.
const imageUser = 65532

type descriptor struct {
	MediaType string            `json:"mediaType"`
	Digest    string            `json:"digest"`
	Size      int               `json:"size"`
	Platform  *platform         `json:"platform,omitempty"`
	Notes     map[string]string `json:"annotations,omitempty"`
}

type platform struct {
	Architecture string `json:"architecture"`
	OS           string `json:"os"`
}

const (
	ociIndex    = "application/vnd.oci.image.index.v1+json"
	ociManifest = "application/vnd.oci.image.manifest.v1+json"
	ociConfig   = "application/vnd.oci.image.config.v1+json"
	ociLayer    = "application/vnd.oci.image.layer.v1.tar+gzip"
)

// layout is an OCI image layout under construction.
type layout struct{ entries []entry }

func (l *layout) blob(kind string, text []byte) descriptor {
	sum := fmt.Sprintf("%x", sha256.Sum256(text))
	l.entries = append(l.entries, entry{name: "blobs/sha256/" + sum, mode: 0o644, text: text})
	return descriptor{MediaType: kind, Digest: "sha256:" + sum, Size: len(text)}
}

func (l *layout) json(kind string, v any) (descriptor, error) {
	text, err := json.Marshal(v)
	return l.blob(kind, text), err
}

// image writes one archive with an OCI image layout for all Linux targets. skopeo, podman load and
// crane read it.
func (r *release) image() error {
	l := &layout{entries: []entry{{name: "blobs/", mode: 0o755}, {name: "blobs/sha256/", mode: 0o755}, {name: "oci-layout", mode: 0o644, text: []byte(`{"imageLayoutVersion":"1.0.0"}`)}}}
	var manifests []descriptor
	for _, t := range r.targets {
		if t.os != "linux" {
			continue
		}
		m, err := r.imageOf(l, t)
		if err != nil {
			return err
		}
		manifests = append(manifests, m)
	}
	if len(manifests) == 0 {
		return nil
	}
	all, err := l.json(ociIndex, map[string]any{"schemaVersion": 2, "mediaType": ociIndex, "manifests": manifests})
	if err != nil {
		return err
	}
	all.Notes = map[string]string{"org.opencontainers.image.ref.name": r.version}
	index, err := json.Marshal(map[string]any{"schemaVersion": 2, "mediaType": ociIndex, "manifests": []descriptor{all}})
	if err != nil {
		return err
	}
	l.entries = append(l.entries, entry{name: "index.json", mode: 0o644, text: index})
	var b bytes.Buffer
	if err := writeTar(&b, l.entries, r.time); err != nil {
		return err
	}
	return r.put(r.file("tcpctl_"+r.version+"_oci.tar"), b.Bytes())
}

// imageOf adds the image of one target.
func (r *release) imageOf(l *layout, t target) (descriptor, error) {
	files := []entry{
		{name: "etc/", mode: 0o755}, {name: "etc/tcpctl/", mode: 0o755},
		{name: "etc/passwd", mode: 0o644, text: fmt.Appendf(nil, "root:x:0:0:root:/:/\ntcpctl:x:%d:%[1]d:tcpctl:/var/lib/tcpctl:/\n", imageUser)},
		{name: "etc/group", mode: 0o644, text: fmt.Appendf(nil, "root:x:0:\ntcpctl:x:%d:\n", imageUser)},
		{name: "run/", mode: 0o755}, {name: "run/tcpctl/", mode: 0o700, uid: imageUser},
		{name: "tmp/", mode: 0o1777},
		{name: "usr/", mode: 0o755}, {name: "usr/bin/", mode: 0o755}, {name: "usr/bin/tcpctl", mode: 0o755, from: r.built[t]},
		{name: "usr/share/", mode: 0o755}, {name: "usr/share/doc/", mode: 0o755}, {name: "usr/share/doc/tcpctl/", mode: 0o755},
		{name: "usr/share/doc/tcpctl/LICENSE", mode: 0o644, from: r.source("LICENSE")},
		{name: "usr/share/doc/tcpctl/THIRD_PARTY_LICENSES.txt", mode: 0o644, from: r.work("THIRD_PARTY_LICENSES.txt")},
		{name: "var/", mode: 0o755}, {name: "var/lib/", mode: 0o755}, {name: "var/lib/tcpctl/", mode: 0o700, uid: imageUser},
	}
	var plain, packed bytes.Buffer
	if err := writeTar(&plain, files, r.time); err != nil {
		return descriptor{}, err
	}
	if err := writeTarGz(&packed, files, r.time); err != nil {
		return descriptor{}, err
	}
	layer := l.blob(ociLayer, packed.Bytes())
	config, err := l.json(ociConfig, map[string]any{
		"created": r.time.Format(time.RFC3339), "architecture": t.arch, "os": t.os,
		"config": map[string]any{
			"User": fmt.Sprintf("%d:%[1]d", imageUser), "WorkingDir": "/", "StopSignal": "SIGTERM",
			"Env":        []string{"PATH=/usr/bin", "XDG_RUNTIME_DIR=/run/tcpctl", "STATE_DIRECTORY=/var/lib/tcpctl", "HOME=/var/lib/tcpctl"},
			"Entrypoint": []string{"/usr/bin/tcpctl"}, "Cmd": []string{"run", "--no-ui", "-c", "/etc/tcpctl/tcpctl.toml"},
			"Labels": map[string]string{"org.opencontainers.image.version": r.version, "org.opencontainers.image.revision": r.commit, "org.opencontainers.image.source": "https://github.com/tcpctl/tcpctl", "org.opencontainers.image.title": "tcpctl"},
		},
		"rootfs":  map[string]any{"type": "layers", "diff_ids": []string{fmt.Sprintf("sha256:%x", sha256.Sum256(plain.Bytes()))}},
		"history": []any{map[string]any{"created": r.time.Format(time.RFC3339), "created_by": "go run ./cmd/tcpctl/internal/release"}},
	})
	if err != nil {
		return descriptor{}, err
	}
	m, err := l.json(ociManifest, map[string]any{"schemaVersion": 2, "mediaType": ociManifest, "config": config, "layers": []descriptor{layer}})
	m.Platform = &platform{t.arch, t.os}
	return m, err
}
