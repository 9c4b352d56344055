package protocol

import (
	"cmp"
	"errors"
	"io/fs"
	"net/http"
	"os"
	"path"
	"strings"
	"sync"
	"syscall"

	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/ws"
)

// fileLimit bounds the connections over which files are fetched, of all
// services together: descriptors belong to the process.
var fileLimit = sync.OnceValue(func() *ws.WebLimit { return ws.NewWebLimit(proxy.NewDescriptors(0).Files) })

// files serves the files of a folder: no listings, nothing outside of it that a link leads to, and
// no file or folder whose name begins with a dot unless dots is set.
func files(dir string, dots bool) http.Handler {
	server := http.FileServer(folder{dir, dots})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			http.Error(w, "files allow GET and HEAD only", http.StatusMethodNotAllowed)
			return
		}
		w.Header().Set("X-Content-Type-Options", "nosniff")
		server.ServeHTTP(w, r)
	})
}

// folder is an http.FileSystem. It keeps nothing open, so that the folder can be replaced.
type folder struct {
	dir  string
	dots bool
}

// Open opens a regular file, or a folder that has an index.html. Everything
// else does not exist, as far as clients can see.
func (d folder) Open(name string) (http.File, error) {
	name = strings.TrimPrefix(path.Clean("/"+name), "/")
	if !d.dots && hasDot(name) {
		return nil, fs.ErrNotExist
	}
	root, err := os.OpenRoot(d.dir)
	if err != nil {
		return nil, notThere(err)
	}
	defer root.Close()
	f, err := openIn(root, name)
	if err != nil {
		return nil, notThere(err)
	}
	return f, nil
}

func openIn(root *os.Root, name string) (http.File, error) {
	name = cmp.Or(name, ".")
	info, err := root.Stat(name) // before Open, which would wait for the writer of a pipe
	switch {
	case err != nil:
		return nil, err
	case info.IsDir():
		if index, err := root.Stat(path.Join(name, "index.html")); err != nil || !index.Mode().IsRegular() {
			return nil, fs.ErrNotExist
		}
	case !info.Mode().IsRegular():
		return nil, fs.ErrNotExist
	}
	return root.Open(name)
}

// hasDot reports whether an element of a path begins with a dot.
func hasDot(name string) bool {
	return strings.HasPrefix(name, ".") || strings.Contains(name, "/.")
}

// notThere turns errors that a client must not see into fs.ErrNotExist. A lack of descriptors is
// this process's problem and not a 404.
func notThere(err error) error {
	if errors.Is(err, fs.ErrPermission) {
		return fs.ErrPermission
	}
	if errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE) {
		return err
	}
	return fs.ErrNotExist
}
