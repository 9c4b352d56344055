package main

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// sbom lists the modules in the binaries, as CycloneDX 1.5. It has no serial number, which would
// differ in each build.
func (r *release) sbom() error {
	list, err := r.modules()
	if err != nil {
		return err
	}
	goVersion, err := r.output("go", "env", "GOVERSION")
	if err != nil {
		return err
	}
	components := []any{map[string]any{"type": "library", "bom-ref": "pkg:golang/std@" + strings.TrimPrefix(goVersion, "go"), "name": "std", "version": goVersion,
		"purl": "pkg:golang/std@" + strings.TrimPrefix(goVersion, "go"), "licenses": licencesOf("BSD-3-Clause")}}
	for _, m := range list {
		purl := fmt.Sprintf("pkg:golang/%s@%s", m.Path, m.Version)
		c := map[string]any{"type": "library", "bom-ref": purl, "name": m.Path, "version": m.Version, "purl": purl, "licenses": licencesOf(m.licence)}
		// go.sum's h1 is a SHA-256 over the names and sums of a module's files.
		if sum, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(m.Sum, "h1:")); err == nil && len(sum) > 0 {
			c["properties"] = []any{map[string]string{"name": "go:h1", "value": hex.EncodeToString(sum)}}
		}
		components = append(components, c)
	}
	var binaries []any
	for _, t := range r.targets {
		sum, err := sumOf(r.built[t])
		if err != nil {
			return err
		}
		binaries = append(binaries, map[string]any{"type": "file", "name": "tcpctl " + t.String(), "hashes": []any{map[string]string{"alg": "SHA-256", "content": sum}}})
	}
	text, err := json.MarshalIndent(map[string]any{
		"$schema": "http://cyclonedx.org/schema/bom-1.5.schema.json", "bomFormat": "CycloneDX", "specVersion": "1.5", "version": 1,
		"metadata": map[string]any{"timestamp": r.time.Format(time.RFC3339),
			"component": map[string]any{"type": "application", "bom-ref": "pkg:golang/github.com/tcpctl/tcpctl@v" + r.version, "name": "tcpctl", "version": r.version,
				"purl": "pkg:golang/github.com/tcpctl/tcpctl@v" + r.version, "licenses": licencesOf("MIT"), "components": binaries}},
		"components": components,
	}, "", "  ")
	if err != nil {
		return err
	}
	return r.put(r.file("tcpctl_"+r.version+"_sbom.cdx.json"), append(text, '\n'))
}

func licencesOf(id string) []any {
	return []any{map[string]any{"license": map[string]string{"id": id}}}
}
