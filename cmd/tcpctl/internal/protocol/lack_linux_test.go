package protocol

import (
	"bytes"
	"log/slog"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tcpctl/tcpctl/proxy"
)

// withoutDescriptors runs f while this process can open no file.
func withoutDescriptors(t *testing.T, f func()) {
	t.Helper()
	var was unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &was); err != nil {
		t.Fatal(err)
	}
	defer unix.Setrlimit(unix.RLIMIT_NOFILE, &was)
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: 0, Max: was.Max}); err != nil {
		t.Fatal(err)
	}
	f()
}

// TestSecretsThatALackHidAreReadLater: a token that was taken out while the process had no descriptor
// is not valid for ever.
func TestSecretsThatALackHidAreReadLater(t *testing.T) {
	path := secretFile(t, "secret-1\n")
	a, err := newAuth("token:" + path)
	if err != nil {
		t.Fatal(err)
	}
	var said []string
	a.Note("desk", func(ev proxy.Event) { said = append(said, ev.Text) })
	if err := os.WriteFile(path, []byte("secret-2\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	withoutDescriptors(t, func() { a.Refresh(); a.Refresh() })
	if len(said) != 1 || !strings.Contains(said[0], "too many open files") {
		t.Errorf("said %q", said)
	}
	a.Refresh()
	a.Refresh()
	if s := a.secrets.Load(); s.hasToken("secret-1") || !s.hasToken("secret-2") || len(said) != 2 {
		t.Errorf("the file was not read again; said %q", said)
	}
}

// TestCertificatesThatALackHidAreReadLater: so is a renewed certificate, of which no client would
// otherwise hear before the next one.
func TestCertificatesThatALackHidAreReadLater(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		cert, key := writeCertificate(t, dir, time.Now().Add(time.Minute))
		var log bytes.Buffer
		c, err := TLS(cert, key, "", slog.New(slog.NewTextHandler(&log, nil)))
		if err != nil {
			t.Fatal(err)
		}
		services := []proxy.ServiceConfig{{Name: "desk", TLS: c}}
		time.Sleep(2 * statInterval)
		later := time.Now().Add(time.Hour).Truncate(time.Second)
		writeCertificate(t, dir, later)
		withoutDescriptors(t, func() {
			for range 2 {
				Certificates(services)
				time.Sleep(2 * statInterval)
			}
		})
		if all := Certificates(services); len(all) != 1 || !all[0].NotAfter.Equal(later) || strings.Count(log.String(), "\n") != 2 {
			t.Errorf("certificates %+v; the log has\n%s", all, &log)
		}
	})
}

// TestCertificatesThatAreRenamed: files of the same size and time, as packagers make them, are others.
func TestCertificatesThatAreRenamed(t *testing.T) {
	dir, next := t.TempDir(), t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		soon, later := time.Now().Add(time.Hour).Truncate(time.Second), time.Now().Add(2*time.Hour).Truncate(time.Second)
		cert, key := writeCertificate(t, dir, soon)
		newCert, newKey := writeCertificate(t, next, later)
		for _, name := range []string{cert, key, newCert, newKey} {
			text, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			text = append(text, bytes.Repeat([]byte("\n"), 2000-len(text))...)
			if os.WriteFile(name, text, 0o600) != nil || os.Chtimes(name, soon, soon) != nil {
				t.Fatal("no size and time could be set")
			}
		}
		c, err := TLS(cert, key, "", slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * statInterval)
		if os.Rename(newCert, cert) != nil || os.Rename(newKey, key) != nil {
			t.Fatal("the files were not replaced")
		}
		if all := Certificates([]proxy.ServiceConfig{{Name: "desk", TLS: c}}); len(all) != 1 || !all[0].NotAfter.Equal(later) {
			t.Errorf("certificates %+v, and not one until %s", all, later)
		}
	})
}
