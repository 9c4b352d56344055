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

// openSSH opens the address that the console is served on over SSH; "" is none.
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

// nextSSH is what a file says of the console over SSH: the server with what it is to
// use, none of which is in use until then.
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

// listenSSH uses the predecessor's socket where it listens on that address.
func (in *Instance) listenSSH(addr string, next nextSSH) (*sshd.Server, error) {
	var socket *os.File
	if p := in.predecessor; p != nil && p.Offer.SSHAddr == addr {
		socket, p.Offer.SSH = p.Offer.SSH, nil
	}
	show := func(ctx context.Context, s *sshd.Session) error { return in.c.Remote(ctx, in, s) }
	s, err := sshd.Open(addr, sshd.Options{HostKey: next.hostKey, Keys: next.keys, Show: show, Log: in.log.Logger, Socket: socket})
	return s, proxy.ListenHint(addr, err)
}

// reloadSSH is what a file that takes the place of old says: of the server that
// serves, or of another one that is not started yet. Nothing that serves is changed.
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

// setSSH makes it the one that serves: with its keys from the next connection on, or
// in the place of another one, which is closed when it has begun.
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
