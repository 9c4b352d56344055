package authkeys

import (
	"crypto/ed25519"
	"encoding/pem"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"
)

// newKey returns a public key, and its line.
func newKey(t *testing.T) (ssh.PublicKey, string) {
	t.Helper()
	public, _, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	key, err := ssh.NewPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	return key, strings.TrimSpace(string(ssh.MarshalAuthorizedKey(key)))
}

func write(t *testing.T, mode os.FileMode, lines ...string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "keys")
	if err := os.WriteFile(path, []byte(strings.Join(lines, "\n")+"\n"), mode); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestRead(t *testing.T) {
	ana, anaLine := newKey(t)
	bob, bobLine := newKey(t)
	eve, eveLine := newKey(t)
	keys, err := Read(write(t, 0o600, "# operators", "", anaLine+" ana@laptop", `restrict,environment="TCPCTL_ACCESS=read" `+bobLine+" bob, night shift", "  "+eveLine))
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range []struct {
		key  ssh.PublicKey
		want Key
	}{{ana, Key{By: "ana@laptop"}}, {bob, Key{By: "bob, night shift", ReadOnly: true}}, {eve, Key{By: ssh.FingerprintSHA256(eve)}}} {
		if got, ok := keys.Find(x.key); !ok || got != x.want {
			t.Errorf("%+v, %v; want %+v", got, ok, x.want)
		}
	}
	if other, _ := newKey(t); keys.Len() != 3 {
		t.Errorf("%d keys", keys.Len())
	} else if _, ok := keys.Find(other); ok {
		t.Error("a stranger's key is among them")
	}
}

func TestReadRefuses(t *testing.T) {
	_, line := newKey(t)
	for name, x := range map[string]struct {
		mode  os.FileMode
		lines []string
		want  string
	}{
		"rubbish":           {0o600, []string{line, "ssh-ed25519 AAAArubbish ana"}, "keys:2: it is no public key"},
		"a private key":     {0o600, []string{"-----BEGIN OPENSSH PRIVATE KEY-----"}, "keys:1: it is no public key"},
		"a restriction":     {0o600, []string{`from="10.0.0.0/8" ` + line}, `keys:1: option "from" is not supported here`},
		"another access":    {0o600, []string{`environment="TCPCTL_ACCESS=none" ` + line}, `"TCPCTL_ACCESS=none" is not known; to make a key read-only, write`},
		"the key twice":     {0o600, []string{line + " ana", line + " bob"}, "keys:2: the key is already listed, as ana"},
		"no key":            {0o600, []string{"# no key"}, "it has no key: no client could connect"},
		"written by others": {0o622, []string{line}, "others than its owner may write it (mode 0622); chmod go-w"},
	} {
		if x.mode != 0o600 && runtime.GOOS == "windows" {
			continue
		}
		if _, err := Read(write(t, x.mode, x.lines...)); err == nil || !strings.Contains(err.Error(), x.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := Read(filepath.Join(t.TempDir(), "none")); err == nil || !strings.Contains(err.Error(), "there is no such file") {
		t.Error(err)
	}
	if _, err := Read(t.TempDir()); err == nil || !strings.Contains(err.Error(), "it is a folder") {
		t.Error(err)
	}
}

// A host key is generated once; a file that is not one is refused with its name, and left unchanged.
func TestHostKey(t *testing.T) {
	path := filepath.Join(t.TempDir(), "host_key")
	if err := CheckHostKey(path); err != nil {
		t.Error(err)
	}
	made, err := HostKey(path)
	if err != nil {
		t.Fatal(err)
	}
	again, err := HostKey(path)
	if err != nil || ssh.FingerprintSHA256(again.PublicKey()) != ssh.FingerprintSHA256(made.PublicKey()) {
		t.Errorf("another one: %v", err)
	}
	_, private, _ := ed25519.GenerateKey(nil)
	block, err := ssh.MarshalPrivateKeyWithPassphrase(private, "", []byte("secret"))
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]string{"rubbish": "it is no private key", string(pem.EncodeToMemory(block)): "passphrase"} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		for _, err := range []error{CheckHostKey(path), func() error { _, err := HostKey(path); return err }()} {
			if err == nil || !strings.Contains(err.Error(), path+": ") || !strings.Contains(err.Error(), want) {
				t.Errorf("%v; want %q", err, want)
			}
		}
		if now, _ := os.ReadFile(path); string(now) != text {
			t.Error("the file was changed")
		}
	}
}
