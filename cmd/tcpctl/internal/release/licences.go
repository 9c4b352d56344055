package main

import (
	"bytes"
	"cmp"
	"debug/buildinfo"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// module is a module linked into a binary.
type module struct {
	Path, Version, Sum string
	Dir                string   // where its source is
	licence            string   // SPDX identifier; "": not recognized
	texts              []string // the texts of its licences
}

// modules returns the modules in all binaries, according to their build info.
func (r *release) modules() ([]*module, error) {
	all := map[string]*module{}
	for _, t := range r.targets {
		info, err := buildinfo.ReadFile(r.built[t])
		if err != nil {
			return nil, err
		}
		for _, m := range info.Deps {
			if m.Replace != nil {
				m = m.Replace
			}
			all[m.Path] = &module{Path: m.Path, Version: m.Version, Sum: m.Sum}
		}
	}
	var list []*module
	for _, path := range slices.Sorted(maps.Keys(all)) {
		m := all[path]
		text, err := r.output("go", "mod", "download", "-json", m.Path+"@"+m.Version)
		if err != nil {
			return nil, err
		}
		if err := json.Unmarshal([]byte(text), m); err != nil {
			return nil, err
		}
		if err := m.read(); err != nil {
			return nil, err
		}
		list = append(list, m)
	}
	return list, nil
}

// read finds the module's licences.
func (m *module) read() error {
	files, err := os.ReadDir(m.Dir)
	if err != nil {
		return err
	}
	for _, f := range files {
		name := strings.ToUpper(f.Name())
		if f.IsDir() || !strings.HasPrefix(name, "LICEN") && !strings.HasPrefix(name, "COPY") && !strings.HasPrefix(name, "NOTICE") {
			continue
		}
		text, err := os.ReadFile(filepath.Join(m.Dir, f.Name()))
		if err != nil {
			return err
		}
		m.texts = append(m.texts, strings.TrimSpace(strings.ReplaceAll(string(text), "\r\n", "\n")))
		m.licence = cmp.Or(m.licence, licenceOf(string(text)))
	}
	if len(m.texts) == 0 {
		return m.readReadme()
	}
	return nil
}

// readReadme finds the licence of a module that names it only in its README.
func (m *module) readReadme() error {
	text, err := os.ReadFile(filepath.Join(m.Dir, "README.md"))
	if err != nil {
		return fmt.Errorf("%s has no licence in %s", m.Path, m.Dir)
	}
	_, after, _ := strings.Cut(string(text), "\n## License\n")
	if words := strings.Fields(after); len(words) > 0 && slices.Contains([]string{"MIT", "ISC", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause"}, words[0]) {
		m.licence = words[0]
		m.texts = []string{"It has no file of its licence. Its README ends with:\n\nLicense\n" + strings.ReplaceAll(strings.TrimRight(after, "\n"), "## ", "")}
		return nil
	}
	return fmt.Errorf("%s has no licence in %s, and its README names none", m.Path, m.Dir)
}

// licenceOf recognizes a licence by a characteristic sentence.
func licenceOf(text string) string {
	text = strings.Join(strings.Fields(text), " ")
	for _, l := range []struct{ id, says string }{
		{"Apache-2.0", "Apache License Version 2.0"},
		{"MPL-2.0", "Mozilla Public License Version 2.0"}, {"MPL-2.0", "Mozilla Public License, version 2.0"},
		{"MIT", "Permission is hereby granted, free of charge, to any person obtaining a copy"},
		{"ISC", "Permission to use, copy, modify, and/or distribute this software"}, {"ISC", "Permission to use, copy, modify, and distribute this software"},
		{"BSD-3-Clause", "Neither the name"}, {"BSD-3-Clause", "names of its contributors may be used"},
		{"BSD-2-Clause", "Redistribution and use in source and binary forms"},
		{"Unlicense", "This is free and unencumbered software released into the public domain"},
	} {
		if strings.Contains(text, l.says) {
			return l.id
		}
	}
	return ""
}

// licences writes the licences of everything linked into the binaries, including Go itself.
func (r *release) licences() error {
	list, err := r.modules()
	if err != nil {
		return err
	}
	goroot, err := r.output("go", "env", "GOROOT")
	if err != nil {
		return err
	}
	std := &module{Path: "std (the Go standard library and runtime)", Dir: goroot}
	if std.Version, err = r.output("go", "env", "GOVERSION"); err != nil {
		return err
	}
	if err := std.read(); err != nil { // some distributions keep the licence elsewhere
		std.texts, std.licence = []string{"See https://go.dev/LICENSE (BSD-3-Clause)."}, "BSD-3-Clause"
	}
	text, err := notices(r.version, append([]*module{std}, list...))
	if err != nil {
		return err
	}
	fmt.Printf("%d modules\n", len(list))
	return r.put(r.work("THIRD_PARTY_LICENSES.txt"), text)
}

// notices returns a list of modules with their licences, followed by the texts.
func notices(version string, list []*module) ([]byte, error) {
	var b bytes.Buffer
	fmt.Fprintf(&b, "tcpctl %s contains these modules.\n\n", version)
	for _, m := range list {
		if m.licence == "" {
			return nil, fmt.Errorf("the licence of %s is not known: add it to licenceOf", m.Path)
		}
		fmt.Fprintf(&b, "%s %s: %s\n", m.Path, m.Version, m.licence)
	}
	line := strings.Repeat("=", 78)
	for _, m := range list {
		fmt.Fprintf(&b, "\n%s\n%s %s\n%s\n\n%s\n", line, m.Path, m.Version, line, strings.Join(m.texts, "\n\n"))
	}
	return b.Bytes(), nil
}
