package main

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/charmbracelet/x/ansi"
	"golang.org/x/crypto/ssh"

	"github.com/tcpctl/tcpctl/proxy/proxytest"
	"github.com/tcpctl/tcpctl/tui"
)

// sshConsole is an instance that serves its console over SSH.
type sshConsole struct {
	*configured
	t         *testing.T
	dir, addr string
}

// newSSHConsole starts one with these lines in its authorized_keys.
func newSSHConsole(t *testing.T, keys ...string) *sshConsole {
	t.Helper()
	c := &sshConsole{t: t, dir: t.TempDir(), addr: proxytest.FreePort(t)}
	write(t, c.path("keys"), strings.Join(keys, "\n"))
	return c
}

func (c *sshConsole) path(name string) string { return filepath.Join(c.dir, name) }

// text returns a configuration with a host key.
func (c *sshConsole) text(hostKey string) string {
	return fmt.Sprintf("[services.db]\nlisten = \"127.0.0.1:0\"\nbackends = [\"127.0.0.1:1\"]\n[console.ssh]\nlisten = %q\nauthorized_keys = %q\nhost_key = %q\n", c.addr, c.path("keys"), c.path(hostKey))
}

// operatorKey makes an operator's key, and its line for authorized_keys.
func operatorKey(t *testing.T, name string) (ssh.Signer, string) {
	t.Helper()
	_, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.NewSignerFromKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return signer, strings.TrimSpace(string(ssh.MarshalAuthorizedKey(signer.PublicKey()))) + " " + name
}

// hostKey writes a host key: Ed25519, or another type.
func (c *sshConsole) hostKey(name string, edwards bool) ssh.PublicKey {
	c.t.Helper()
	var private any
	_, private, err := ed25519.GenerateKey(nil)
	if !edwards {
		private, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	}
	if err != nil {
		c.t.Fatal(err)
	}
	block, err := ssh.MarshalPrivateKey(private, "")
	if err != nil {
		c.t.Fatal(err)
	}
	write(c.t, c.path(name), string(pem.EncodeToMemory(block)))
	signer, err := ssh.NewSignerFromKey(private)
	if err != nil {
		c.t.Fatal(err)
	}
	return signer.PublicKey()
}

// dial connects, and returns the host key that the server has proved.
func (c *sshConsole) dial(who ssh.Signer) (client *ssh.Client, host ssh.PublicKey, err error) {
	client, err = ssh.Dial("tcp", c.addr, &ssh.ClientConfig{User: "any", Auth: []ssh.AuthMethod{ssh.PublicKeys(who)}, Timeout: patience,
		HostKeyCallback: func(_ string, _ net.Addr, key ssh.PublicKey) error { host = key; return nil }})
	return client, host, err
}

// open opens a console at 140x45, and collects its output.
func (c *sshConsole) open(who ssh.Signer) *openConsole {
	c.t.Helper()
	client, _, err := c.dial(who)
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() { client.Close() })
	sess, err := client.NewSession()
	if err == nil {
		err = sess.RequestPty("xterm", 45, 140, ssh.TerminalModes{})
	}
	o := &openConsole{t: c.t, sess: sess}
	if err == nil {
		sess.Stdout = o
		o.in, err = sess.StdinPipe()
	}
	if err == nil {
		err = sess.Shell()
	}
	if err != nil {
		c.t.Fatal(err)
	}
	return o
}

// openConsole is a client's console.
type openConsole struct {
	t    *testing.T
	sess *ssh.Session
	in   io.Writer
	mu   sync.Mutex
	out  strings.Builder
}

func (o *openConsole) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.out.Write(p)
}

// sees waits until a text has been drawn since the last call, and returns all that was drawn.
func (o *openConsole) sees(want string) (got string) {
	o.t.Helper()
	for began := time.Now(); ; restSince(began) {
		o.mu.Lock()
		got = ansi.Strip(o.out.String())
		drawn := strings.Contains(got, want)
		if drawn {
			o.out.Reset()
		}
		o.mu.Unlock()
		if drawn {
			return got
		}
		if time.Since(began) > patience {
			o.t.Fatalf("%q is not drawn:\n%s", want, got)
		}
	}
}

func (o *openConsole) types(keys string) {
	o.t.Helper()
	if _, err := io.WriteString(o.in, keys); err != nil {
		o.t.Fatal(err)
	}
}

// After a reload with another host key new clients get the new one: none is refused meanwhile, and
// open consoles stay. A bad host key changes nothing.
func TestAReloadOfTheHostKeyRefusesNoClient(t *testing.T) {
	t.Parallel()
	ana, line := operatorKey(t, "ana")
	c := newSSHConsole(t, line)
	keys := map[string]ssh.PublicKey{"one": c.hostKey("one", true), "two": c.hostKey("two", false)}
	c.configured = runConfigured(t, c.text("one"))
	stays := c.open(ana)
	stays.sees("LIVE")

	stop := make(chan struct{})
	var coming sync.WaitGroup
	for range 2 {
		coming.Go(func() {
			for {
				select {
				case <-stop:
					return
				case <-time.After(pace):
				}
				client, _, err := c.dial(ana)
				if err != nil {
					t.Errorf("a client was refused during a reload: %v", err)
					return
				}
				client.Close()
			}
		})
	}
	for _, name := range []string{"two", "one", "two", "one", "two"} {
		write(t, c.configured.path, c.text(name))
		if out, status := c.try("reload"); status != 0 {
			t.Errorf("status %d\n%s", status, out)
		}
		client, host, err := c.dial(ana)
		if err != nil {
			t.Fatal(err)
		}
		client.Close()
		if string(host.Marshal()) != string(keys[name].Marshal()) {
			t.Errorf("not the host key %s: %s", name, host.Type())
		}
	}
	write(t, c.path("bad"), "rubbish")
	write(t, c.configured.path, c.text("bad"))
	if out, status := c.try("reload"); status == 0 || !strings.Contains(out, "host_key: "+c.path("bad")+": it is no private key") {
		t.Errorf("status %d\n%s", status, out)
	}
	client, host, err := c.dial(ana)
	if err != nil {
		t.Fatal(err)
	}
	client.Close()
	if string(host.Marshal()) != string(keys["two"].Marshal()) {
		t.Error("a bad host key has replaced the one in use")
	}
	close(stop)
	coming.Wait()
	stays.types("?")
	stays.sees("Help: Backends")
}

// How a console over SSH was left is saved for its key only.
func TestAConsoleOverSSHIsAsItsKeyLeftIt(t *testing.T) {
	t.Parallel()
	ana, anaLine := operatorKey(t, "ana")
	bob, bobLine := operatorKey(t, "ana") // another key with the same comment
	c := newSSHConsole(t, anaLine, `environment="TCPCTL_ACCESS=read" `+bobLine)
	c.hostKey("host", true)
	c.configured = &configured{path: c.path("t.toml")}
	write(t, c.configured.path, c.text("host"))
	c.running = runInstance(t, []string{"env", "STATE_DIRECTORY=" + c.path("state")}, "run", "-c", c.configured.path, "--no-ui")
	o := c.open(ana)
	o.sees("LIVE")
	o.types(":sort act\r")
	o.sees("sort ACT")
	o.types(":theme dark\r")
	o.sees(" theme dark") // once it has been read, and not as typed, behind a colon
	o.types("q")
	o.sess.Wait()

	text, err := os.ReadFile(filepath.Join(c.path("state"), consoleFile))
	if err != nil {
		t.Fatal(err)
	}
	kept := map[string]tui.Kept{}
	if err := json.Unmarshal(text, &kept); err != nil || len(kept) != 1 || kept["@ssh "+ssh.FingerprintSHA256(ana.PublicKey())].Theme != "dark" {
		t.Errorf("%v: %s", err, text)
	}
	if text := c.open(bob).sees("1 backend"); strings.Contains(text, "sort ACT") {
		t.Error("one key's settings are another's")
	}
	c.open(ana).sees("sort ACT")
}
