// Package importer converts the TCP part of another proxy's configuration to one of tcpctl. What
// cannot be translated stays in a comment, with its line number.
package importer

import (
	"bytes"
	"fmt"
	"regexp"
	"strings"
)

// Result is a configuration of tcpctl, and how much of the other it holds.
type Result struct {
	Text       []byte // TOML
	Services   int
	Translated int // directives
	Commented  int // directives that stand in comments
}

// Formats are the ones that Import reads.
const (
	HAProxy = "haproxy"
	Nginx   = "nginx"
)

// MaxSize bounds a file, in bytes.
const MaxSize = 4 << 20

// Import translates a file. Name is what comments call it. An empty format is found
// out. The error says why nothing can be translated.
func Import(name, format string, text []byte) (Result, error) {
	if len(text) > MaxSize {
		return Result{}, fmt.Errorf("%s has more than %d MiB", name, MaxSize>>20)
	}
	if format == "" {
		format = formatOf(text)
	}
	d := &draft{source: name}
	var err error
	switch format {
	case HAProxy:
		err = d.haproxy(text)
	case Nginx:
		err = d.nginx(text)
	case "":
		err = fmt.Errorf("%s is neither of haproxy (it has no section like \"listen web\") nor of nginx (it has no \"stream { ... }\"); --from says which it is", name)
	default:
		err = fmt.Errorf("--from: there is no format %q; it is haproxy or nginx", format)
	}
	if err != nil {
		return Result{}, err
	}
	d.dropEmpty()
	d.settle()
	d.dropEmpty()
	if len(d.services) == 0 {
		return Result{}, d.nothing()
	}
	var out bytes.Buffer
	d.write(&out)
	return Result{Text: out.Bytes(), Services: len(d.services), Translated: d.translated, Commented: d.commented}, nil
}

// nothing returns the error for a file without anything that can be translated, with the first reason.
func (d *draft) nothing() error {
	for _, n := range d.notes {
		if strings.HasPrefix(n.text, "server") || strings.HasPrefix(n.text, "bind") || strings.HasPrefix(n.text, "proxy_pass") {
			return fmt.Errorf("%s has no TCP service that can be translated; line %d (%s): %s", d.source, n.line, n.text, n.reason)
		}
	}
	return fmt.Errorf("%s has no TCP service that can be translated", d.source)
}

var (
	haproxySection = regexp.MustCompile(`(?m)^[ \t]*(global|defaults|frontend|backend|listen)([ \t]+[^{;\n]*)?$`)
	nginxBlock     = regexp.MustCompile(`(?m)^[^#\n]*\b(stream|upstream|server|http)\b[^;{\n]*\{`)
)

// formatOf detects the format of a text; "": unknown.
func formatOf(text []byte) string {
	switch {
	case haproxySection.Match(text): // before nginx: conditions in haproxy.cfg have braces, too
		return HAProxy
	case nginxBlock.Match(text):
		return Nginx
	}
	return ""
}
