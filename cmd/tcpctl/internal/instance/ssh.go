package instance

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/crypto/ssh"

	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/authkeys"
	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/config"
	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/sshd"
	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/statedir"
	"github.com/tcpctl/tcpctl/proxy"
)

// openSSH opens the address of the console over SSH; "" means none.
func (in *Instance) openSSH(c *config.ConsoleSSH) (*sshd.Server, error) {
	if c.Listen == "" || in.c.Remote == nil {
		return nil, nil
	}
	next, err := readSSH(c)
	if err != nil {
		return nil, &ConfigError{err}
	}
	return in.listenSSH(c.Listen, next)
}

// nextSSH is the console over SSH according to a file: the server and its settings, which take
// effect with setSSH.
type nextSSH struct {
	server  *sshd.Server // nil: none
	keys    authkeys.Keys
	hostKey ssh.Signer
}

// readSSH reads the keys that a file names.
func readSSH(c *config.ConsoleSSH) (next nextSSH, err error) {
	if next.keys, err = authkeys.Read(c.AuthorizedKeys); err != nil {
		return next, err
	}
	path := c.HostKey
	if path == "" {
		dir, err := statedir.Make("ssh")
		if err != nil {
			return next, err
		}
		path = filepath.Join(dir, "host_key")
	}
	if next.hostKey, err = authkeys.HostKey(path); err != nil {
		err = fmt.Errorf("console.ssh.host_key: %w", err)
	}
	return next, err
}

// listenSSH listens, with the predecessor's socket if that listens on the address.
func (in *Instance) listenSSH(addr string, next nextSSH) (*sshd.Server, error) {
	var socket *os.File
	if p := in.predecessor; p != nil && p.Offer.SSHAddr == addr {
		socket, p.Offer.SSH = p.Offer.SSH, nil
	}
	show := func(ctx context.Context, s *sshd.Session) error { return in.c.Remote(ctx, in, s) }
	s, err := sshd.Open(addr, sshd.Options{HostKey: next.hostKey, Keys: next.keys, Show: show, Log: in.log.Logger, Socket: socket})
	return s, proxy.ListenHint(addr, err)
}

// reloadSSH returns what a file that replaces old says: the running server, or another one that is
// not started yet. It changes nothing in force.
func (in *Instance) reloadSSH(file, old *config.ConsoleSSH) (next nextSSH, err error) {
	if file.Listen == "" || in.c.Remote == nil {
		return next, nil
	}
	if next, err = readSSH(file); err != nil {
		return next, err
	}
	if in.ssh != nil && file.Listen == old.Listen {
		next.server = in.ssh
		return next, nil
	}
	next.server, err = in.listenSSH(file.Listen, next)
	return next, err
}

// setSSH puts next into force: new keys from the next connection on, or a new server, after whose
// start the old one is closed.
func (in *Instance) setSSH(next nextSSH) {
	before := in.ssh
	if in.ssh = next.server; in.ssh != nil {
		in.ssh.SetKeys(next.keys)
		in.ssh.SetHostKey(next.hostKey)
		in.ssh.Start()
	}
	if before != nil && before != in.ssh {
		before.Close()
	}
}
