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

// openSSH opens the address that the console is served on over SSH; "" is none. The
// predecessor's socket is used where it listens on that address.
func (in *Instance) openSSH(c *config.ConsoleSSH) (*sshd.Server, error) {
	if c.Listen == "" || in.c.Remote == nil {
		return nil, nil
	}
	keys, err := authkeys.Read(c.AuthorizedKeys)
	if err != nil {
		return nil, &ConfigError{err}
	}
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

// reloadSSH is the server for a file that takes the place of old: the one that
// serves, with the keys as they are now, or another one that is not started yet.
func (in *Instance) reloadSSH(file, old *config.ConsoleSSH) (*sshd.Server, error) {
	if in.ssh == nil || file.Listen != old.Listen || file.HostKey != old.HostKey {
		if in.ssh != nil && file.Listen == old.Listen && file.Listen != "" {
			in.ssh.Close() // only the key is another one: the address is taken until then
		}
		return in.openSSH(file)
	}
	keys, err := authkeys.Read(file.AuthorizedKeys)
	if err != nil {
		return nil, err
	}
	in.ssh.SetKeys(keys)
	return in.ssh, nil
}
