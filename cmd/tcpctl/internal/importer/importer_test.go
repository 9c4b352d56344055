package importer

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/BurntSushi/toml"

	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/config"
)

var update = flag.Bool("update", false, "write the golden files")

// TestImport: each file is translated to its golden file, which tcpctl accepts.
func TestImport(t *testing.T) {
	for _, pattern := range []string{"testdata/*.cfg", "testdata/*.conf"} {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			t.Fatal(pattern, files, err)
		}
		for _, file := range files {
			t.Run(filepath.Base(file), func(t *testing.T) { imports(t, file) })
		}
	}
}

func imports(t *testing.T, file string) {
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	r, err := Import(filepath.Base(file), "", text)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := config.Parse(file, r.Text); err != nil {
		t.Errorf("tcpctl does not accept it: %v", err)
	}
	golden := file + ".toml"
	if *update {
		if err := os.WriteFile(golden, r.Text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil || !bytes.Equal(want, r.Text) {
		t.Errorf("%v; see %s, and -update:\n%s", err, golden, r.Text)
	}
	// Each line of the file is in the result, as a key, or as a comment with its number.
	if r.Services == 0 || r.Translated == 0 || r.Commented == 0 {
		t.Errorf("%+v", r)
	}
}

// TestBadFiles: a file that cannot be translated is an error that says where.
func TestBadFiles(t *testing.T) {
	for _, c := range []struct{ format, text, want string }{
		{"", "", "neither of haproxy"},
		{"", "hello = 1\n", "neither of haproxy"},
		{"apache", "", `no format "apache"`},
		{"", "listen web\n  bind :80\n  server a 'x", "f:3: a quotation mark"},
		{"", "stream {\n server { listen 1;\n", "a brace has no counterpart"},
		{"", "stream { } }", "a brace has no counterpart"},
		{"", "http { server { listen 80; } }", "no TCP service"},
		{"", "frontend web\n  bind :80\n", "no TCP service"},
		{"", "include /etc/nginx/conf.d/*;", "neither of haproxy"},
		{"nginx", strings.Repeat("a {", 100), "a brace has no counterpart"},
		{"haproxy", strings.Repeat("x", MaxSize+1), "more than 4 MiB"},
	} {
		if _, err := Import("f", c.format, []byte(c.text)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%.40q: %v, want %q", c.text, err, c.want)
		}
	}
}

// FuzzImport: whatever a file contains, the result is valid TOML.
func FuzzImport(f *testing.F) {
	for _, file := range []string{"testdata/haproxy.cfg", "testdata/nginx.conf"} {
		text, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Add([]byte("listen a\n bind :1\n server \"b\\\"\\n\" 1.1.1.1:1 sni str(\x01\xff)"))
	f.Add([]byte("stream{server{listen 1;proxy_pass \"a\nb\":1;}}"))
	f.Fuzz(func(t *testing.T, text []byte) {
		r, err := Import("f\n", "", text)
		if err != nil {
			return
		}
		var any map[string]any
		if err := toml.Unmarshal(r.Text, &any); err != nil {
			t.Errorf("%v in\n%s", err, r.Text)
		}
	})
}

// TestKeysOfBackends: client certificates for backends, and names with one backend for each
// address, are translated.
func TestKeysOfBackends(t *testing.T) {
	for text, want := range map[string][]string{
		"listen web\n  bind :80\n  server-template web 1-5 web.internal:8080 resolvers dns check weight 3\n": {`{ name = "web", dns = "web.internal:8080", weight = 3 }`},
		"listen web\n  bind :80\n  server a 10.0.0.1:443 ssl ca-file /ca.pem crt /us.pem\n":                  {`ca = "/ca.pem"`, `tls_cert = "/us.pem"`, `tls_key = "/us.pem"`},
		"stream { server { listen 80; proxy_pass 10.0.0.1:443; proxy_ssl on; proxy_ssl_certificate /us.pem; proxy_ssl_certificate_key /us.key; } }": {
			`tls_cert = "/us.pem"`, `tls_key = "/us.key"`},
	} {
		r, err := Import("f", "", []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		for _, key := range want {
			if !strings.Contains(string(r.Text), key) {
				t.Errorf("no %s in\n%s", key, r.Text)
			}
		}
	}
}

// TestAnUpstreamOfSeveralServers: it is read once, its directives count once, its comments are at
// the first service, and what one service adds to its backends does not affect another.
func TestAnUpstreamOfSeveralServers(t *testing.T) {
	const upstream = "stream { upstream db { server 10.0.0.1:5432 weight=2; server 10.0.0.2:5432; sticky; }"
	const plain, encrypted = " server { listen 1000; proxy_pass db; }", " server { listen 2000; proxy_pass db; proxy_ssl on; }"
	one, err := Import("f", "", []byte(upstream+plain+"}"))
	if err != nil {
		t.Fatal(err)
	}
	two, err := Import("f", "", []byte(upstream+plain+encrypted+"}"))
	if err != nil {
		t.Fatal(err)
	}
	// server, listen, proxy_pass and proxy_ssl.
	if two.Translated != one.Translated+4 || two.Commented != one.Commented || one.Commented != 1 {
		t.Errorf("one server: %d translated, %d in comments; two: %d, %d", one.Translated, one.Commented, two.Translated, two.Commented)
	}
	text := string(two.Text)
	if n := strings.Count(text, "sticky"); n != 1 {
		t.Errorf("the comment occurs %d times in\n%s", n, text)
	}
	first, second, _ := strings.Cut(text, `listen = ":2000"`)
	if strings.Contains(first, "tls = true") || strings.Count(second, "tls = true") != 2 || strings.Count(text, "weight = 2") != 2 {
		t.Errorf("the backends are\n%s", text)
	}
}
