//go:build unix

package tlsclient

import (
	"path/filepath"
	"syscall"
	"testing"
)

// TestPipeInPlaceOfAFile: it is refused. To open one would wait for its writer.
func TestPipeInPlaceOfAFile(t *testing.T) {
	pipe := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	for key, c := range map[string]Config{"ca": {CA: pipe}, "tls_cert": {Cert: pipe, Key: pipe}, "tls_key": {Cert: "client.go", Key: pipe}} {
		if err := New(c, nil).Load(); err == nil || err.Error() != key+": "+pipe+" is not a regular file" {
			t.Errorf("%s: %v", key, err)
		}
	}
}
