//go:build unix

package control

import (
	"errors"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"testing"
)

// TestRule19aWhoServesTheSocketIsChecked: before anything is sent. Another user's folder or socket
// is refused where every user can make one; a folder that root has given to a user is accepted.
func TestRule19aWhoServesTheSocketIsChecked(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can make files of other users")
	}
	const other = 65532
	// t.TempDir's path would be too long for a socket.
	root, err := os.MkdirTemp("", "tcpctl")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(root) })
	for i, c := range []struct {
		name           string
		above          os.FileMode // of the parent of the socket's folder
		folder, socket int         // their owners
		want           bool
	}{
		{"ours", 0o755, 0, 0, true},
		{"ours, below a shared folder", 0o777 | os.ModeSticky, 0, 0, true},
		{"given to another by root", 0o755, other, other, false}, // since a parent of root is a shared folder
		{"another's folder", 0o777 | os.ModeSticky, other, other, false},
		{"another's folder, our socket", 0o777 | os.ModeSticky, other, 0, false},
		{"another's socket", 0o777 | os.ModeSticky, 0, other, false},
	} {
		above := filepath.Join(root, strconv.Itoa(i))
		dir := filepath.Join(above, "d")
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, "s")
		ln, err := net.Listen("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		os.Chmod(above, c.above)
		os.Chown(dir, c.folder, c.folder)
		os.Chown(path, c.socket, c.socket)
		var asked atomic.Int32
		srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			asked.Add(1)
			w.Write([]byte("{}"))
		})}
		go srv.Serve(ln)
		client := Dial(path)
		_, err = client.Status(t.Context())
		client.Close()
		srv.Close()
		switch {
		case c.want && err != nil:
			t.Errorf("%s: %v", c.name, err)
		case !c.want && (!errors.Is(err, errNotTrusted) || asked.Load() > 0):
			t.Errorf("%s: %v, and %d requests were sent", c.name, err, asked.Load())
		}
	}
	// Where only root can write, as in /run, root can give a folder to another user.
	if uid, private := owner("/run"); uid != 0 || !private {
		t.Skip("others than root can write to /run")
	}
	dir, err := os.MkdirTemp("/run", "tcpctl")
	if err != nil {
		t.Skip(err)
	}
	defer os.RemoveAll(dir)
	ln, err := net.Listen("unix", filepath.Join(dir, "s"))
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	os.Chown(dir, other, other)
	os.Chown(filepath.Join(dir, "s"), other, other)
	if !believable(filepath.Join(dir, "s"), other) {
		t.Error("what root has given to a service is not believed")
	}
	if believable(filepath.Join(dir, "s"), other+1) {
		t.Error("a third user is believed")
	}
}
