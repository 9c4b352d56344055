package importer

import (
	"bytes"
	"flag"
	"fmt"
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

// TestKeysOfBackends: client certificates for backends, names with one backend for each address, service records, and rules
// of backends and of defaults are translated, to what tcpctl accepts.
func TestKeysOfBackends(t *testing.T) {
	for text, want := range map[string][]string{
		"listen web\n  bind :80\n  server-template web 1-5 web.internal:8080 resolvers dns check weight 3\n": {`{ name = "web", dns = "web.internal:8080", weight = 3 }`},
		"listen web\n  bind :80\n  server a 10.0.0.1:443 ssl ca-file /ca.pem crt /us.pem\n":                  {`ca = "/ca.pem"`, `tls_cert = "/us.pem"`, `tls_key = "/us.pem"`},
		"stream { server { listen 80; proxy_pass 10.0.0.1:443; proxy_ssl on; proxy_ssl_certificate /us.pem; proxy_ssl_certificate_key /us.key; } }": {
			`tls_cert = "/us.pem"`, `tls_key = "/us.key"`},
		"listen db\n  bind :80\n  server-template db 3 _pg._tcp.example.com resolvers dns check weight 3 maxconn 9 ssl verify none\n  server-template x 3 _x._tcp.example.com\n": {
			"[services.db.discover]\nfrom = \"srv:_pg._tcp.example.com\"\nmax_sessions = 9\ntls = true\ntls_verify = false\n",
			"# f:3: server db: weight 3\n", "# f:4: server-template x _x._tcp.example.com\n"},
		"frontend web\n bind :80\n default_backend web\n tcp-request content reject unless { src 10.0.0.0/8 172.16.0.0/12 }\nbackend web\n server a 10.0.0.1:80\n tcp-request content reject unless { src 10.1.0.0/16 }\n": {
			`allow = ["10.1.0.0/16"]`},
		"defaults\n tcp-request connection reject if { dst_port 9 }\nlisten a\n bind :80\n server a 10.0.0.1:80\nlisten b\n bind :81\n server a 10.0.0.1:80\n": {
			"[services.a]\n# f:2: tcp-request connection reject if { dst_port 9 }\n", "[services.b]\nlisten"},
		"listen web\n  bind :80\n  server a 10.0.0.1:443 check check-ssl verify none sni str(a) ca-file /ca.pem\n": {
			`{ name = "a", addr = "10.0.0.1:443" }`, "# f:3: server a: sni str(a), ca-file /ca.pem\n"},
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
		if err := accepted(r); err != nil {
			t.Errorf("%v in\n%s", err, r.Text)
		}
	}
}

// accepted says why tcpctl does not accept a result, apart from files that are not there.
func accepted(r Result) error {
	_, err := config.Parse("f", r.Text)
	if err == nil || strings.Count(err.Error(), "\n")+1 == strings.Count(err.Error(), "there is no file") {
		return nil
	}
	return fmt.Errorf("tcpctl does not accept it: %w", err)
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

// TestAccessRules: tcpctl admits a client that the other proxy admits, and no other. Where it cannot, it admits fewer, or
// a comment has the rule.
func TestAccessRules(t *testing.T) {
	const haproxy, nginx = "listen web\n bind :80\n server a 10.0.0.1:80\n ", "stream { %s server { listen 80; proxy_pass 10.0.0.1:80; "
	all := `deny = ["0.0.0.0/0", "::/0"]`
	const within = "and none within it"
	for _, c := range []struct{ text, want, comment string }{
		{"tcp-request connection reject", all, ""},
		{"tcp-request connection accept if { src 10.0.0.0/8 }", "", ""},
		{"tcp-request connection accept if { src 10.0.0.0/8 10.9.9.9 -f ok }\n tcp-request connection reject", `allow = ["10.0.0.0/8", "10.9.9.9"] allow_file = "ok"`, ""},
		{"tcp-request connection reject unless { src 10.0.0.0/8 }\n tcp-request connection reject if { src 10.1.0.0/16 }", `allow = ["10.0.0.0/8"] deny = ["10.1.0.0/16"]`, ""},
		{"tcp-request connection accept if { src 10.1.2.3 }\n tcp-request connection reject if { src 10.0.0.0/8 }", `deny = ["10.0.0.0/8"]`, "denials decide first"},
		{"tcp-request connection accept if { src 10.1.2.3 }\n tcp-request connection reject if { src -f bad }", `deny_file = "bad"`, "denials decide first"},
		{"tcp-request connection reject if !{ src 10.0.0.0/8 }\n tcp-request connection accept if { src 10.1.0.0/16 }\n tcp-request connection reject", `allow = ["10.1.0.0/16"]`, ""},
		{"tcp-request connection reject unless { src 10.0.0.0/8 172.16.0.0/12 }\n tcp-request connection reject unless { src 10.1.0.0/16 192.168.0.0/16 }", `allow = ["10.1.0.0/16"]`, ""},
		{"tcp-request connection reject unless { src 10.0.0.0/8 }\n tcp-request connection reject unless { src -f ok }", all, within},
		{"tcp-request connection accept if { src 10.0.0.5/8 10.9.9.9/255.255.0.0 }\n tcp-request connection reject", `allow = ["10.0.0.0/8", "10.9.0.0/16"]`, ""},
		{"tcp-request connection reject unless { src 10.0.0.0/255.0.0.255 }", all, "more clients are rejected"},
		{"tcp-request connection reject if { src 10.0.0.0/255.0.0.255 }", "", "by the client's address"},
		{"acl a src 10.0.0.0/8\n acl b src 172.16.0.0/12\n tcp-request connection reject if !a !b", `allow = ["10.0.0.0/8", "172.16.0.0/12"]`, ""},
		{"acl a src 10.0.0.0/8\n tcp-request connection reject if a or { src 172.16.0.0/12 } || LOCALHOST", `deny = ["10.0.0.0/8", "172.16.0.0/12", "127.0.0.0/8", "::1"]`, ""},
		{"acl a src 10.0.0.0/8\n tcp-request connection reject unless a or { src 172.16.0.0/12 } { dst_port 80 }", `allow = ["10.0.0.0/8"]`, "more clients are rejected"},
		{"tcp-request connection reject if { dst_port 22 } !{ src 10.0.0.0/8 }", `allow = ["10.0.0.0/8"]`, "more clients are rejected"},
		{"tcp-request connection reject if { dst_port 22 } { src 10.0.0.0/8 }", `deny = ["10.0.0.0/8"]`, "more clients are rejected"},
		{"tcp-request connection reject if { src_conn_rate gt 9 } !{ src 10.0.0.0/8 }", "", "new_sessions_per_ip"},
		{"tcp-request content reject unless { payload(0,3) -m str SSH }", all, "more clients are rejected"},
		{"tcp-request content silent-drop if WAIT_END", all, ""},
		{"tcp-request connection reject if { src -f bad }\n tcp-request connection reject if { src -f worse }", `deny_file = "bad"`, "one deny_file"},
		{"tcp-request connection reject unless { src -f ok -f well }", `allow_file = "ok"`, "one allow_file"},
		{"tcp-request connection reject unless { src -f ok 10.0.0.0/8 www.example.com }", `allow = ["10.0.0.0/8"] allow_file = "ok"`, "more clients are rejected"},
		{"tcp-request connection accept unless { src 10.0.0.0/8 }\n tcp-request connection reject", all, "by the client's address"},
		{"tcp-request content accept\n tcp-request connection reject if { src 10.0.0.0/8 }", `deny = ["10.0.0.0/8"]`, ""},
		{"tcp-request content reject if { src 10.0.0.0/8 }\n tcp-request session accept\n tcp-request connection accept if { src 10.0.0.0/8 }\n tcp-request connection reject", `allow = ["10.0.0.0/8"] deny = ["10.0.0.0/8"]`, ""},
		{"http-request deny deny_status 404 unless { src 10.0.0.0/8 }", `allow = ["10.0.0.0/8"]`, ""},
		{"http-request deny if { path_beg /admin }", "", httpOnly},
		{"http-request auth unless { http_auth(users) }", all, "more clients are rejected"},
		{"tcp-request content accept if { req_ssl_hello_type 1 }\n tcp-request content reject", "", ""},
		{"tcp-request content accept if { req_ssl_hello_type 1 }\n tcp-request content reject\n tcp-request connection reject if { src 10.0.0.0/8 }", `deny = ["10.0.0.0/8"]`, ""},
		{"tcp-request content accept if { req_ssl_hello_type 1 }\n tcp-request connection reject", all, ""},
		{"tcp-request connection accept\n tcp-request connection reject if { src 10.0.0.0/8 }", "", ""},

		{"deny all;", all, ""},
		{"allow 10.0.0.0/8;", "", ""},
		{"deny 10.1.0.0/16; allow 10.0.0.0/8; deny all;", `allow = ["10.0.0.0/8"] deny = ["10.1.0.0/16"]`, ""},
		{"allow 10.1.2.3; deny 10.0.0.0/8; allow all;", `deny = ["10.0.0.0/8"]`, "denials decide first"},
		{"allow all; deny 10.0.0.0/8;", "", ""},
		{"allow 10.0.0.5/8; deny ::ffff:10.0.0.1; deny fd00::5/8; deny all;", `allow = ["10.0.0.0/8"] deny = ["10.0.0.1", "fd00::/8"]`, "denials decide first"},
		{"STREAM deny all;", all, ""},
		{"STREAM deny all; SERVER allow 10.0.0.0/8;", "", ""},
	} {
		text := haproxy + c.text
		if strings.HasSuffix(c.text, ";") {
			around, own, both := strings.Cut(strings.TrimPrefix(c.text, "STREAM "), "SERVER ")
			if !both && !strings.HasPrefix(c.text, "STREAM ") {
				around, own = "", around
			}
			text = fmt.Sprintf(nginx, around) + own + " } }"
		}
		r, err := Import("f", "", []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		var keys, comments []string
		for line := range strings.Lines(string(r.Text)) {
			if strings.HasPrefix(line, "allow") || strings.HasPrefix(line, "deny") {
				keys = append(keys, strings.TrimSpace(line))
			} else if strings.HasPrefix(line, "#   ") {
				comments = append(comments, line)
			}
		}
		if err := accepted(r); err != nil {
			t.Errorf("%s: %v", c.text, err)
		}
		if got := strings.Join(keys, " "); got != c.want || len(comments) > 0 != (c.comment != "") || !strings.Contains(strings.Join(comments, ""), c.comment) {
			t.Errorf("%s: %s, want %s\n%s", c.text, got, c.want, r.Text)
		}
	}
}

// TestClientCertificates: a certificate is required of clients where the other proxy requires it.
func TestClientCertificates(t *testing.T) {
	const haproxy, nginx = "listen web\n server a 10.0.0.1:80\n bind :443 ssl crt /us.pem ca-file /ca.pem ", "stream { server { listen 443 ssl; ssl_certificate /us.pem; ssl_certificate_key /us.pem; proxy_pass 10.0.0.1:80; ssl_client_certificate /ca.pem; "
	for text, want := range map[string]bool{
		haproxy + "verify required": true, haproxy + "verify none": false, haproxy + "verify optional": false, haproxy: false,
		nginx + "ssl_verify_client on; } }": true, nginx + "ssl_verify_client off; } }": false, nginx + "ssl_verify_client optional; } }": false, nginx + "} }": false,
	} {
		r, err := Import("f", "", []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(r.Text), `client_ca = "/ca.pem"`) != want || strings.Contains(text, "optional") != strings.Contains(string(r.Text), "requires a certificate") {
			t.Errorf("%s:\n%s", text, r.Text)
		}
	}
}

// TestOpensNothing: who did not reach a backend does not reach it here, and what check would refuse is not written. want
// are lines of the result, and not are texts that it has not.
func TestOpensNothing(t *testing.T) {
	const front, back = "frontend web\n default_backend web\n bind :80\n ", "\nbackend web\n server a 10.0.0.1:80"
	for _, c := range []struct {
		text string
		want []string
		not  string
	}{
		{front + "bind :443 ssl crt /us.pem\n bind :81 accept-proxy\n bind :444 ssl crt /us.pem" + back, // each kind is a service
			[]string{`listen = ":80"`, `listen = [":443", ":444"]`, `listen = ":81"`, "[services.web-2.tls]", "accept_proxy = true"}, "[services.web.tls]"},
		{front + "bind :443 ssl ca-file /ca.pem verify required" + back, []string{`listen = ":80"`, "# f:4: bind :443 ssl ca-file /ca.pem verify required"}, ""},
		{front + "redirect location http://x if !{ src 10.0.0.0/8 }\n redirect scheme https unless { ssl_fc }\n block if { src 10.1.0.0/16 }" + back,
			[]string{`allow = ["10.0.0.0/8"]`, `deny = ["10.1.0.0/16"]`, "# f:5: redirect scheme https unless { ssl_fc }"}, ""},
		{front + "bind unix@${RUN}/x.sock" + back + " ssl verifyhost 10.0.0.1", []string{"# f:4: bind unix@${RUN}/x.sock", "# f:6: server a: verifyhost 10.0.0.1"}, "tls_name"},
		{front + "bind /run/x.sock mode 660" + back, []string{"#   of this bind, these are not translated: mode 660 (see listen_mode)"}, ""},
		{front + "bind :443 interface eth0" + back, []string{`listen = ":80"`, "# f:4: bind :443 interface eth0"}, ""},
		{front + "bind :81 crt /us.pem" + back, []string{`listen = [":80", ":81"]`}, ".tls]"},
		{front + "bind :443 ssl crt /us.pem crt /a.pem no-sslv3 ciphers HIGH" + back, []string{`cert = "/us.pem"`, "#   of this bind, these are not translated: crt /a.pem, no-sslv3, ciphers HIGH"}, ""},
		{front + "disabled" + back + "\nlisten b\n bind :81\n server b 10.0.0.2:80", []string{"[services.b]", "# f:4: disabled"}, "services.web"},
		{front + "bind 10.0.0.1:80\n bind 0.0.0.0:25\n bind :::25 v6only" + back, []string{`listen = [":80", ":25"]`}, ""},
		{front + back + "\nlisten b\n bind 10.0.0.1:80\n bind :81\n server b 10.0.0.2:80", []string{`listen = ":80"`, `listen = ":81"`, "# f: listen 10.0.0.1:80", "#   the service web already listens there"}, ""},
		{front + "use_backend none if { src 10.0.0.0/8 }\n use_backend other if { src 192.168.0.0/16 }" + back + "\nbackend none\n tcp-request content reject\nbackend other\n server b 10.0.0.2:80",
			[]string{`deny = ["10.0.0.0/8"]`, "# f:5: use_backend other if { src 192.168.0.0/16 }"}, ""},
		{front + "use_backend other if { req_ssl_sni -i a.org }\n use_backend other if { src 10.0.0.0/8 }" + back + "\nbackend other\n server b 10.0.0.2:80\n http-request allow if { src 10.0.0.0/8 }\n http-request deny",
			[]string{`allow = ["10.0.0.0/8"]`, `addr = "10.0.0.2:80"`, "# f:5: use_backend other if { src 10.0.0.0/8 }"}, "deny ="}, // it rejects others, but not all
		{front + "bind :443 ssl crt /us.pem\n use_backend other if { ssl_fc_sni a.org }" + back + "\nbackend other\n server b 10.0.0.2:80", // :80 has no names
			[]string{"[services.web]\nlisten = \":80\"\nbackends", "[services.web-other]\nlisten = \":443\"", "[services.web-2]\nlisten = \":443\""}, ""},
		{front + "use_backend none if { req_ssl_sni -i a.org } || { req_ssl_sni b.org }\n use_backend web if { req_ssl_sni a.org }" + back + "\nbackend none",
			[]string{`sni = ["a.org", "b.org"]`, `deny = ["0.0.0.0/0", "::/0"]`, `sni = ["*"]`}, "services.web-web"},
		{front + "use_backend other if { src 10.0.0.0/8 }\n use_backend other if { req_ssl_sni \"\" }" + back + "\nbackend other", []string{"# f:5: use_backend other if { req_ssl_sni  }"}, "sni ="},
		{"frontend web\n bind :80\n use_backend b if { src 10.0.0.0/8 }\nbackend b\n server b 10.0.0.2:80\nlisten c\n bind :81\n server c 10.0.0.3:80", []string{"# f:3: use_backend b if { src 10.0.0.0/8 }"}, "services.web"},
		{front + back + " check inter 0 rise 0 fall 2", []string{"# f:6: server a: inter 0, rise 0", "fall = 2"}, "interval"},
		{front + back + " check\n tcp-check send x\n option httpchk GET /x\n tcp-check expect string y", []string{`type = "http"`, `path = "/x"`}, "send ="},
		{front + back + " check\n option httpchk GET /x\n option tcp-check\n tcp-check expect string y", []string{`type = "send-expect"`, `expect_bytes = "y"`}, "path"},
		{front + back + " check\n option httpchk GET /x\n option mysql-check", nil, "path"},

		{"stream { ssl_certificate /us.pem; ssl_certificate_key /us.pem; server { listen 80; listen 443 ssl; listen 81 proxy_protocol; proxy_pass 10.0.0.1:80; } }",
			[]string{"[services.tcp-80]", "[services.tcp-443.tls]", "[services.tcp-81]", "accept_proxy = true"}, "[services.tcp-80.tls]"},
		{"stream { server { listen 443 ssl; proxy_pass 10.0.0.1:80; } server { listen 80; proxy_pass 10.0.0.1:80; } }", []string{`listen = ":80"`, "#   tcpctl speaks TLS with one certificate: ssl_certificate"}, ":443"},
		{"stream { ssl_verify_client on; server { listen 443 ssl; ssl_certificate /us.pem; ssl_client_certificate $x; proxy_pass 10.0.0.1:80; } server { listen 80; ssl_client_certificate /ca.pem; proxy_pass 10.0.0.1:80; } }",
			[]string{`listen = ":80"`, "#   tcpctl verifies clients by one file: ssl_client_certificate"}, ":443"},
		{"stream { server { listen 80; allow 10.0.0.0/8; allow all; js_access x.y; proxy_pass 10.0.0.1:80; } }", []string{`deny = ["0.0.0.0/0", "::/0"]`}, ""},
		{"stream { server { listen 443 ssl; ssl_certificate $ssl_server_name.pem; ssl_reject_handshake off; proxy_pass 10.0.0.1:80; } server { listen 80; proxy_ssl on; proxy_ssl_name a:1; proxy_pass 10.0.0.1:80; } }",
			[]string{`listen = ":80"`, "# f:1: proxy_ssl_name a:1"}, "tls_name"},
		{"stream { js_access x.y; server { listen 80; allow 10.0.0.0/8; proxy_pass 10.0.0.1:80; } }", []string{`deny = ["0.0.0.0/0", "::/0"]`}, "allow ="},
		{"stream { upstream a { server 10.0.0.1:80; server 10.0.0.1:80; } server { listen 80; proxy_pass a; } server { listen 80; listen 81; proxy_pass a; } }",
			[]string{`name = "10.0.0.1-80"`, `name = "10.0.0.1-80-2"`, `listen = ":80"`, `listen = ":81"`}, ""},
		{"stream { map $ssl_preread_server_name $n { \"\" 10.0.0.1:80; a.org 10.0.0.2:80; } server { listen 80; proxy_pass $n; } }", []string{`sni = ["a.org"]`, `# f:1: 10.0.0.1:80`}, ""},
	} {
		r, err := Import("f", "", []byte(c.text))
		if err != nil {
			t.Errorf("%s: %v", c.text, err)
			continue
		}
		for _, want := range c.want {
			if !strings.Contains(string(r.Text), want) {
				t.Errorf("%s: no %s in\n%s", c.text, want, r.Text)
			}
		}
		if c.not != "" && strings.Contains(string(r.Text), c.not) {
			t.Errorf("%s: %s in\n%s", c.text, c.not, r.Text)
		}
		if err := accepted(r); err != nil {
			t.Errorf("%s: %v in\n%s", c.text, err, r.Text)
		}
	}
}
