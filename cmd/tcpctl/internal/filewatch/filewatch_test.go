package filewatch

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// content is a File that reports what it has read.
type content struct {
	path  string
	stamp Stamp
	read  chan string
}

func (c *content) Path() string { return c.path }

func (c *content) Refresh() {
	if c.stamp.Changed(c.path) {
		text, err := os.ReadFile(c.path)
		if err != nil {
			text = []byte("gone")
		}
		c.read <- string(text)
	}
}

// TestChanges: however a file is changed, it is read again, and its final content was read.
func TestChanges(t *testing.T) {
	dir := t.TempDir()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	write := func(name, text string) { t.Helper(); must(os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600)) }
	must(os.Mkdir(filepath.Join(dir, "v1"), 0o700))
	must(os.Mkdir(filepath.Join(dir, "v2"), 0o700))
	write("v1/list", "linked")
	write("v2/list", "swapped")
	write("list", "first")
	w := New()
	defer w.Close()
	c := &content{path: filepath.Join(dir, "list"), read: make(chan string, 100)}
	w.Set([]File{c})
	until := func(want string) {
		t.Helper()
		for end := time.After(time.Minute); ; {
			select {
			case got := <-c.read:
				if got == want {
					return
				}
			case <-end:
				t.Fatalf("it never read %q", want)
			}
		}
	}
	until("first")
	write("list", "second")
	until("second")
	write("other", "renamed")
	must(os.Rename(filepath.Join(dir, "other"), c.path))
	until("renamed")
	must(os.Remove(c.path))
	until("gone")
	must(os.Symlink("current/list", c.path)) // as in a mounted ConfigMap
	must(os.Symlink("v1", filepath.Join(dir, "current")))
	until("linked")
	must(os.Symlink("v2", filepath.Join(dir, "next")))
	must(os.Rename(filepath.Join(dir, "next"), filepath.Join(dir, "current")))
	until("swapped")
	write("v2/list", "written where the link leads")
	until("written where the link leads")
}
