package authkeys

import (
	"errors"
	"io/fs"

	"github.com/charmbracelet/ssh"
	"github.com/charmbracelet/wish"
	gossh "golang.org/x/crypto/ssh"

	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/fileerror"
)

// CheckHostKey reports what is wrong with the file of a server's own key. One that is
// not there is made when the server starts.
func CheckHostKey(path string) error {
	_, err := parseHostKey(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// HostKey is the server's own key in a file, which is made where there is none.
func HostKey(path string) (gossh.Signer, error) {
	signer, err := parseHostKey(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return signer, err
	}
	if err := wish.WithHostKeyPath(path)(&ssh.Server{}); err != nil {
		return nil, &fileerror.Error{File: path, Text: "the host key cannot be made: " + err.Error(), Hint: "name a file in a folder that this user may write", Err: err}
	}
	return parseHostKey(path)
}

func parseHostKey(path string) (gossh.Signer, error) {
	const hint = `make one with: ssh-keygen -t ed25519 -N "" -f FILE`
	text, err := fileerror.Read(path, maxFile)
	if err != nil {
		return nil, err
	}
	signer, err := gossh.ParsePrivateKey(text)
	if _, locked := errors.AsType[*gossh.PassphraseMissingError](err); locked {
		return nil, &fileerror.Error{File: path, Text: "the host key has a passphrase, which no server can type", Hint: hint, Err: err}
	}
	if err != nil {
		return nil, &fileerror.Error{File: path, Text: "it is no private key of OpenSSH", Hint: hint, Err: err}
	}
	return signer, nil
}
