package instance

import (
	"context"
	"os"
	"path/filepath"

	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/authkeys"
	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/config"
	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/sshd"
	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/statedir"
)

// openSSH opens the address that the console is served on over SSH; "" is none.
func (in *Instance) openSSH(c *config.ConsoleSSH) (*sshd.Server, error) {
	if c.Listen == "" || in.c.Remote == nil {
		return nil, nil
	}
	keys, err := authkeys.Read(c.AuthorizedKeys)
	if err != nil {
		return nil, &ConfigError{err}
	}
	return in.openSSHWith(c, keys)
}

// openSSHWith uses the predecessor's socket where it listens on that address.
func (in *Instance) openSSHWith(c *config.ConsoleSSH, keys authkeys.Keys) (*sshd.Server, error) {
	hostKey := c.HostKey
	if hostKey == "" {
		dir, err := statedir.Make("ssh")
		if err != nil {
			return nil, err
		}
		hostKey = filepath.Join(dir, "host_key")
	}
	var socket *os.File
	if p := in.predecessor; p != nil && p.Offer.SSHAddr == c.Listen {
		socket, p.Offer.SSH = p.Offer.SSH, nil
	}
	show := func(ctx context.Context, s *sshd.Session) error { return in.c.Remote(ctx, in, s) }
	return sshd.Open(c.Listen, sshd.Options{HostKey: hostKey, Keys: keys, Show: show, Log: in.log.Logger, Socket: socket})
}

// reloadSSH is the server for a file that takes the place of old, and its keys: the
// one that serves, or another one that is not started yet. Nothing that serves is
// changed, unless only the host key is another one: the address is taken until then.
func (in *Instance) reloadSSH(file, old *config.ConsoleSSH) (s *sshd.Server, keys authkeys.Keys, err error) {
	if file.Listen == "" || in.c.Remote == nil {
		return nil, keys, nil
	}
	if keys, err = authkeys.Read(file.AuthorizedKeys); err != nil {
		return nil, keys, err
	}
	if in.ssh != nil && file.Listen == old.Listen && file.HostKey == old.HostKey {
		return in.ssh, keys, nil
	}
	if in.ssh != nil && file.Listen == old.Listen {
		in.ssh.Close()
	}
	s, err = in.openSSHWith(file, keys)
	return s, keys, err
}
