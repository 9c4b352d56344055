//go:build unix

package protocol

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tcpctl/tcpctl/proxy"
)

// TestPipeInPlaceOfAFile: a pipe that comes where a file was is refused, and what was
// read before serves on: to open it would wait for its writer, and every client with it.
func TestPipeInPlaceOfAFile(t *testing.T) {
	dir := t.TempDir()
	pipe := filepath.Join(dir, "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		notAfter := time.Now().Add(time.Hour).Truncate(time.Second)
		cert, key := writeCertificate(t, dir, notAfter)
		if _, err := TLS(cert, key, pipe, slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), "not a regular file") {
			t.Errorf("client_ca: %v", err)
		}
		for _, file := range []string{cert, key} {
			writeCertificate(t, dir, notAfter)
			c, err := TLS(cert, key, "", slog.New(slog.DiscardHandler))
			if err != nil {
				t.Fatal(err)
			}
			time.Sleep(2 * statInterval)
			if err := os.Remove(file); err != nil {
				t.Fatal(err)
			}
			if err := syscall.Mkfifo(file, 0o600); err != nil {
				t.Fatal(err)
			}
			if got := Certificates([]proxy.ServiceConfig{{Name: "desk", TLS: c}}); len(got) != 1 || !got[0].NotAfter.Equal(notAfter) {
				t.Errorf("%s: certificates %+v", file, got)
			}
			if err := os.Remove(file); err != nil {
				t.Fatal(err)
			}
		}
	})
	for what, err := range map[string]error{
		"token":  Connect{URL: "ws://127.0.0.1:1", TokenFile: pipe}.Apply(&proxy.ServiceConfig{}),
		"CA":     Connect{URL: "wss://127.0.0.1:1", CA: pipe}.Apply(&proxy.ServiceConfig{}),
		"secret": func() error { _, err := readSecrets(authToken, pipe); return err }(),
	} {
		if err == nil || err.Error() != pipe+": it is not a regular file; name a file" {
			t.Errorf("%s: %v", what, err)
		}
	}
}
