package config

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/fileerror"
	"github.com/tcpctl/tcpctl/proxy"
)

// CheckSystem says what this system lacks of what the file names: groups,
// folders, addresses. The error is of type Errors. Whether a port is free is
// not asked: the running instance may have it.
func (f *File) CheckSystem() error {
	r := &report{name: f.name, lines: f.lines}
	r.group("control.group", f.Control.Group)
	if f.Control.Socket != "" {
		r.socketPath("control.socket", f.Control.Socket)
	}
	r.appendable("log.file", f.Log.File)
	r.appendable("log.access", f.Log.Access)
	if info, err := os.Stat(f.History.File); err == nil && !info.Mode().IsRegular() && f.History.File != "memory" && f.History.File != "off" {
		r.wrong("history.file", "name a file", "file: %q is not a regular file", f.History.File)
	}
	if f.Cluster != nil {
		if info, err := os.Stat(f.Cluster.Dir); err == nil && !info.IsDir() {
			r.wrong("cluster.dir", "name a folder", "dir: %q is not a folder", f.Cluster.Dir)
		}
	}
	r.bindable("metrics.listen", f.Metrics.Listen)
	r.bindable("console.ssh.listen", f.Console.SSH.Listen)
	if f.Mesh != nil {
		r.bindable("mesh.listen", f.Mesh.Listen)
	}
	for i := range f.Services {
		s := &f.Services[i]
		r.group(ServiceKey(s.Name, "listen_group"), s.ListenGroup)
		for n, addr := range s.Listen {
			r.bindable(fmt.Sprintf("%s[%d]", ServiceKey(s.Name, "listen"), n), addr)
		}
	}
	if len(r.found) > 0 {
		return r.inOrder()
	}
	return nil
}

func (r *report) group(path, name string) {
	if _, err := strconv.Atoi(name); err == nil || name == "" {
		return
	}
	if _, err := user.LookupGroup(name); err != nil {
		r.wrong(path, "getent group lists them", "there is no group %q here", name)
	}
}

// appendable checks that a log could be opened, without creating it.
func (r *report) appendable(path, name string) {
	if name == "" {
		return
	}
	info, err := os.Stat(name)
	switch {
	case err == nil && info.IsDir():
		r.wrong(path, "write the name of a file in it", "%s: %q is a folder", last(path), name)
	case err == nil && info.Mode().IsRegular():
		f, err := os.OpenFile(name, os.O_WRONLY|os.O_APPEND, 0)
		if err != nil {
			bad := fileerror.Unwritable(name, err)
			r.wrong(path, bad.Hint, "%s %q cannot be written: %s", last(path), name, bad.Text)
			return
		}
		f.Close()
	case err != nil:
		if why := notWritable(filepath.Dir(name)); why != "" {
			r.wrong(path, "make it, or write another", "%s %q: its folder %s", last(path), name, why)
		}
	}
}

// notWritable says in a few words why no file can be created in a folder; "": it can.
func notWritable(dir string) string {
	info, err := os.Stat(dir)
	switch {
	case err != nil:
		return "is not there"
	case !info.IsDir():
		return "is a file"
	case !mayWrite(dir):
		return "may not be written by this user"
	}
	return ""
}

// bindable checks that a socket can be bound to an address, at any port.
func (r *report) bindable(path, addr string) {
	if name, ok := strings.CutPrefix(addr, "unix:"); ok {
		r.socketPath(path, name)
		return
	}
	a, err := proxy.ParseAddress(addr, true)
	if err != nil || a.Host == "" || addr == "" {
		return
	}
	ln, err := net.Listen("tcp", net.JoinHostPort(a.Host, "0"))
	switch {
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		r.wrong(path, "ip address lists those of this host", "%s %q: this host has no such address", last(path), addr)
	case err == nil:
		ln.Close() // other errors, for example no free port, say nothing about the address
	}
}

func (r *report) socketPath(path, name string) {
	if strings.HasPrefix(name, "@") {
		return
	}
	if info, err := os.Lstat(name); err == nil && info.Mode().Type() != os.ModeSocket {
		r.wrong(path, "move it, or choose another path", "%s: %q is in the way and is not a socket", last(path), name)
	} else if why := notWritable(filepath.Dir(name)); why != "" && (path != "control.socket" || why != "is not there") {
		r.wrong(path, "make it, or choose another path", "%s %q: its folder %s", last(path), name, why)
	}
}

// programs returns all commands of the file, by their keys.
func (f *File) programs() (all map[string][]string) {
	all = map[string][]string{"notify.run": f.Notify.Run}
	for i := range f.Services {
		s := &f.Services[i]
		all[ServiceKey(s.Name, "check.run")] = s.Check.Run
		if h := s.Hooks; h != nil && h.BeforeNext != nil {
			all[ServiceKey(s.Name, "hooks.before_next.run")] = h.BeforeNext.Run
		}
		if h := s.Hooks; h != nil && h.OnTTL != nil {
			all[ServiceKey(s.Name, "hooks.on_ttl.run")] = h.OnTTL.Run
		}
		if h := s.Hooks; h != nil && h.OnExpire != nil {
			all[ServiceKey(s.Name, "hooks.on_expire.run")] = h.OnExpire.Run
		}
		if d := s.Discover; d != nil {
			all[ServiceKey(s.Name, "discover.run")], all[ServiceKey(s.Name, "discover.restart")] = d.Run, d.Restart
		}
		for n := range s.Backends {
			all[fmt.Sprintf("%s[%d].restart", ServiceKey(s.Name, "backends"), n)] = s.Backends[n].Restart
		}
	}
	return all
}

// warnPrograms only warns about programs that are not found: the process that runs them may have
// another PATH.
func (f *File) warnPrograms(r *report) {
	for path, argv := range f.programs() {
		if len(argv) == 0 || strings.ContainsRune(argv[0], '/') {
			continue
		}
		if _, err := exec.LookPath(argv[0]); err != nil {
			r.wrong(path, "write its whole path", "%s: there is no program %q on the PATH of this user", last(path), argv[0])
		}
	}
}
