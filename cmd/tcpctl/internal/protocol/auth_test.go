package protocol

import (
	"encoding/base64"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"

	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/config"
	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/filewatch"
	"github.com/tcpctl/tcpctl/proxy"
)

// secretFile writes a file of secrets, which a test may rewrite.
func secretFile(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "secrets")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func htpasswd(t *testing.T, name, password string) string {
	t.Helper()
	hash, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	return name + ":" + string(hash) + "\n"
}

func basic(name, password string) string {
	return "Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte(name+":"+password))
}

// asked sends a request on a new connection, and checks the status; for a 401 also the challenge,
// and that the record has no secret.
func (v *testBridge) asked(want int, challenge, request string) {
	v.Helper()
	c, resp := v.knock(request)
	c.Close() // otherwise the record waits for more from the client
	if resp.StatusCode != want || resp.Header.Get("WWW-Authenticate") != challenge {
		v.Errorf("%q: %s, %q", request, resp.Status, resp.Header.Get("WWW-Authenticate"))
	}
	if want != 401 {
		return
	}
	r := v.record()
	if r.Reason != proxy.ReasonAuth || r.By != proxy.ByProxy || r.Phase != proxy.PhaseQueue || strings.Contains(r.Detail, "secret") {
		v.Errorf("record %+v", r)
	}
}

const bearer = `Bearer realm="tcpctl"`

// TestRule50bTokens: in a header or in the query, in a handshake in one piece or several; pages
// need none.
func TestRule50bTokens(t *testing.T) {
	t.Parallel()
	spec := config.NewWS()
	spec.Auth, spec.Web = "token:"+secretFile(t, "# for the desk\nsecret-1\n\n  secret-2  \n"), site(t)
	v := bridgeOf(t, spec, echo, nil)
	for _, target := range []string{"/?token=secret-1", "/?a=b&token=secret-2"} {
		v.asked(101, "", opening("localhost", target))
		v.record()
	}
	for _, line := range []string{"Authorization: Bearer secret-1", "Authorization: bearer  secret-2"} {
		v.asked(101, "", opening("localhost", "/", line))
		v.record()
	}
	for _, target := range []string{"/", "/?token=", "/?token=secret", "/?token=secret-11", "/?token=%23%20for%20the%20desk", "/?TOKEN=secret-1"} {
		v.asked(401, bearer, opening("localhost", target))
	}
	v.asked(401, bearer, opening("localhost", "/?token=secret-1", "Authorization: Bearer secret-x")) // the header takes precedence
	v.asked(401, bearer, opening("localhost", "/", basic("secret-1", "secret-1")))
	v.asked(403, "", opening("localhost", "/", "Origin: https://evil.example")) // other errors come first
	v.asked(200, "", "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
	v.until("all are counted", func(i proxy.ServiceInfo) bool { return i.RefusedText() == "refused 9: auth 8, origin 1" })
	for _, e := range events(v) {
		if strings.Contains(e.Text, "secret-") {
			t.Errorf("an event has a secret: %s", e.Text)
		}
	}
}

func events(v *testBridge) []proxy.Event {
	page, _ := v.engine.Operator().Events(0)
	return page.Events
}

// TestRule50bPasswords: for handshakes and for pages.
func TestRule50bPasswords(t *testing.T) {
	t.Parallel()
	const challenge = `Basic realm="tcpctl", charset="UTF-8"`
	spec := config.NewWS()
	spec.Auth, spec.Web = "basic:"+secretFile(t, htpasswd(t, "ana", "secret")+htpasswd(t, "ben", "säcret")+htpasswd(t, "Aladdin", "open: sesame")), site(t)
	v := bridgeOf(t, spec, echo, nil)
	for _, line := range []string{basic("ana", "secret"), basic("ana", "secret"), basic("ben", "säcret"), basic("Aladdin", "open: sesame")} {
		v.asked(101, "", opening("localhost", "/", line))
		v.record()
	}
	for _, line := range []string{basic("ana", "säcret"), basic("ben", "secret"), basic("eve", "open: sesame"), basic("", ""), basic("ana:secret", ""), basic("Aladdin", "open"),
		"Authorization: Bearer secret", "Authorization: Basic", "Authorization: Basic " + strings.Repeat("x", 28), "Authorization: Basic ana:secret", "X: y"} {
		v.asked(401, challenge, opening("localhost", "/", line))
	}
	page := "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
	c, resp := v.knock(page + "\r\n")
	if resp.StatusCode != 401 || resp.Header.Get("WWW-Authenticate") != challenge {
		t.Error(resp.Status)
	}
	c.Close()
	v.asked(200, "", page+basic("ana", "secret")+"\r\n\r\n")
}

// TestRule50bUnknownNames: to refuse one takes as long as to refuse a wrong password of a name in the file.
func TestRule50bUnknownNames(t *testing.T) {
	t.Parallel()
	for cost := bcrypt.MinCost; cost < bcrypt.MinCost+2; cost++ {
		hash, err := bcrypt.GenerateFromPassword([]byte("secret"), cost)
		if err != nil {
			t.Fatal(err)
		}
		s, err := readSecrets(authBasic, secretFile(t, "ana:"+string(hash)+"\n"))
		if err != nil {
			t.Fatal(err)
		}
		if got, err := bcrypt.Cost(s.anyHash); err != nil || got != cost {
			t.Errorf("it is compared with a hash of cost %d, %v, and ana with one of %d", got, err, cost)
		}
	}
}

// TestRule50bTheFileChanges: a new file applies from the next handshake on; a damaged one leaves
// the previous secrets in force.
func TestRule50bTheFileChanges(t *testing.T) {
	t.Parallel()
	path := secretFile(t, "secret-1\n")
	spec := config.NewWS()
	spec.Auth = "token:" + path
	var w *WebSocket
	v := bridgeOf(t, spec, echo, func(_ *proxy.ServiceConfig, made *WebSocket) { w = made })
	files := Files([]proxy.ServiceConfig{{Name: "desk", Protocol: w}}, v.engine.Operator().Note)
	watcher := filewatch.New()
	defer watcher.Close()
	watcher.Set(files)
	v.asked(101, "", opening("localhost", "/?token=secret-1"))
	v.record()
	change := func(text, want string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		for end := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
			if all := events(v); len(all) > 0 && all[len(all)-1].Kind == proxy.EventAccess && strings.HasSuffix(all[len(all)-1].Text, want) {
				return
			}
			if time.Now().After(end) {
				t.Fatalf("no event %q: %+v", want, events(v))
			}
		}
	}
	change("secret-2\n", "read "+path+" again")
	v.asked(401, bearer, opening("localhost", "/?token=secret-1"))
	v.asked(101, "", opening("localhost", "/?token=secret-2"))
	v.record()
	change("secret 3\n", path+":1: a token has no space; write one token a line; the secrets from before stay in force")
	change("", path+":1: there is no secret in it: no client could come; write one a line; the secrets from before stay in force")
	v.asked(101, "", opening("localhost", "/?token=secret-2"))
	v.record()
}

// TestRule50bBadFiles: errors give the line number, but nothing of its content.
func TestRule50bBadFiles(t *testing.T) {
	t.Parallel()
	slow, _ := bcrypt.GenerateFromPassword([]byte("x"), bcrypt.MinCost)
	for _, tt := range []struct{ kind, text, want string }{
		{"basic", "# people\nana:secret\n", ":2: the password is not hashed with bcrypt"},
		{"basic", "ana:{SHA}secret\n", ":1: the password is not hashed with bcrypt"},
		{"basic", "secret\n", ":1: it is no line of htpasswd"},
		{"basic", "ana:" + strings.Replace(string(slow), "$04$", "$20$", 1), ":1: the cost 20 of the hash is above 14"},
		{"token", "\n\nsecret and more\n", ":3: a token has no space"},
		{"token", "# none\n", ":1: there is no secret in it: no client could come"},
		{"token", "", ":1: there is no secret in it: no client could come"},
	} {
		path := secretFile(t, tt.text)
		_, err := newAuth(tt.kind + ":" + path)
		if err == nil || err.Error() != path+tt.want {
			t.Errorf("%q: %v, want %s", tt.text, err, tt.want)
		}
	}
	if _, err := newAuth("token:/nowhere/secrets"); err == nil {
		t.Error("a missing file was accepted")
	}
}
