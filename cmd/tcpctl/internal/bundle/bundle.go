// Package bundle collects what a bug report about a running instance needs,
// and packs it into one archive without the secrets of its configuration.
package bundle

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/control"
	"github.com/tcpctl/tcpctl/proxy/api"
)

// Options say what to collect.
type Options struct {
	Profile time.Duration // of the CPU, in whole seconds; 0: none
	Version string        // of the program that collects
}

// Bundle is what was collected, in memory.
type Bundle struct {
	Files    []File    `json:"files"`
	TakenOut int       `json:"taken_out"` // values of the configuration that may be secret
	Made     time.Time `json:"made"`

	secrets []string // words to mask in all texts
	texts   [][]byte // contents of Files
}

// File is one of a bundle's.
type File struct {
	Name    string `json:"name"`
	About   string `json:"about"`
	Bytes   int    `json:"bytes"`
	Missing string `json:"missing,omitempty"` // why it is not in the bundle
}

// patience is how long one part may take: a stuck instance still provides those that do not need
// its engine. Tests shorten it.
var patience = 10 * time.Second

// Collect asks the instance behind c for everything. What it cannot have is
// missing, with the reason; it fails where no instance answers.
func Collect(ctx context.Context, c *control.Client, o Options) (*Bundle, error) {
	b := &Bundle{Made: time.Now().UTC()}
	for _, p := range b.parts(c, o) {
		within, cancel := context.WithTimeout(ctx, patience+p.takes)
		var text bytes.Buffer
		err := p.write(within, &text)
		cancel()
		f := File{Name: p.name, About: p.about}
		switch {
		case errors.Is(err, api.ErrNoInstance), ctx.Err() != nil:
			return nil, err
		case errors.Is(err, context.DeadlineExceeded):
			f.Missing = fmt.Sprintf("the instance did not answer within %s", patience+p.takes)
		case err != nil:
			f.Missing = err.Error()
		}
		if err != nil {
			text.Reset()
		}
		b.add(f, text.Bytes())
	}
	for i, f := range b.Files { // only now are all secrets known
		if !strings.HasSuffix(f.Name, ".gz") {
			b.texts[i] = mask(b.texts[i], b.secrets)
			b.Files[i].Bytes = len(b.texts[i])
		}
	}
	b.add(File{Name: "README.txt", About: "this list"}, []byte(b.readme(o.Version)))
	return b, nil
}

func (b *Bundle) add(f File, text []byte) {
	f.Bytes = len(text)
	b.Files, b.texts = append(b.Files, f), append(b.texts, text)
}

// readme lists what is in the bundle, and what to do before passing it on.
func (b *Bundle) readme(version string) string {
	var s strings.Builder
	fmt.Fprintf(&s, "Made by tcpctl debug bundle, version %s, at %s.\n\n", version, b.Made.Format(time.RFC3339))
	for _, f := range b.Files {
		about := f.About
		if f.Missing != "" {
			about = "not here: " + f.Missing
		}
		fmt.Fprintf(&s, "%-20s %s\n", f.Name, about)
	}
	s.WriteString("\n" + Caution + "\n")
	return s.String()
}

// Caution is the warning before a bundle is passed on.
const Caution = "Arguments of commands and what checks send were taken out of the configuration and, if they are long enough to be distinct from other words, " +
	"of all other texts. Names of services, backends and operators, addresses, and what hooks and operators have said are still there: read it before you pass it on."

// WriteTo writes the archive, a tar in gzip with all files in one folder.
func (b *Bundle) WriteTo(w io.Writer) (int64, error) {
	count := &counter{w: w}
	z := gzip.NewWriter(count)
	t := tar.NewWriter(z)
	for i, f := range b.Files {
		if f.Missing != "" {
			continue
		}
		h := &tar.Header{Name: "tcpctl-debug/" + f.Name, Mode: 0o600, Size: int64(f.Bytes), ModTime: b.Made}
		if err := t.WriteHeader(h); err != nil {
			return count.n, err
		}
		if _, err := t.Write(b.texts[i]); err != nil {
			return count.n, err
		}
	}
	err := t.Close()
	if e := z.Close(); err == nil {
		err = e
	}
	return count.n, err
}

type counter struct {
	w io.Writer
	n int64
}

func (c *counter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += int64(n)
	return n, err
}
