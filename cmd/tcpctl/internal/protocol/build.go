package protocol

import (
	"errors"
	"fmt"
	"log/slog"

	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/clientlist"
	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/config"
	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/filewatch"
	"github.com/tcpctl/tcpctl/proxy"
)

// PartError says which key of a service's table is wrong.
type PartError struct {
	Key  string // below the service: "tls.cert"
	Hint string // what to do about it; may be empty
	Err  error
}

func (e *PartError) Error() string { return e.Err.Error() }
func (e *PartError) Unwrap() error { return e.Err }

// WithHint returns what an error says, with the hint if it is a *PartError, which leaves that to a report on a file.
func WithHint(err error) string {
	if part, ok := errors.AsType[*PartError](err); ok && part.Hint != "" {
		return err.Error() + "; " + part.Hint
	}
	return err.Error()
}

// Build gives a service what its table in the file asks for and names files of: the
// lists of clients, TLS and the WebSocket protocol. A nil file asks for none of
// them. An error is a *PartError.
func Build(c *proxy.ServiceConfig, file *config.Service) (err error) {
	if file == nil {
		return nil
	}
	if c.AllowList, err = clientList(clientlist.AllowFile, file.AllowFile); err != nil {
		return err
	}
	if c.DenyList, err = clientList(clientlist.DenyFile, file.DenyFile); err != nil {
		return err
	}
	for i := range file.Backends {
		if err := loads(file.Backends[i].TLSConfig(), fmt.Sprintf("backends[%d]", i)); err != nil {
			return err
		}
	}
	if d := file.Discover; d != nil {
		if err := loads(d.TLSConfig(), "discover"); err != nil {
			return err
		}
	}
	if t := file.TLS; t != nil {
		if c.TLS, err = TLS(t.Cert, t.Key, t.ClientCA, slog.Default()); err != nil {
			return err
		}
	}
	if file.WS != nil {
		w, err := NewWebSocket(*file.WS, nil)
		if part, ok := errors.AsType[*PartError](err); ok {
			return part
		} else if err != nil {
			return &PartError{Key: "ws", Err: err}
		}
		c.Protocol = w
	}
	return nil
}

// clientList reads the list of a key; "" means none.
func clientList(key, path string) (proxy.ClientList, error) {
	if path == "" {
		return nil, nil
	}
	l, err := clientlist.New(key, path)
	if err != nil {
		return nil, &PartError{Key: key, Err: err}
	}
	return l, nil
}

// Files are those of services that are to be watched, and have what they find
// said by note.
func Files(services []proxy.ServiceConfig, note func(proxy.Event)) (all []filewatch.File) {
	for i := range services {
		for _, list := range []proxy.ClientList{services[i].AllowList, services[i].DenyList} {
			if l, ok := list.(*clientlist.List); ok {
				l.Note(services[i].Name, note)
				all = append(all, l)
			}
		}
		if w, ok := services[i].Protocol.(*WebSocket); ok && w.auth != nil {
			w.auth.Note(services[i].Name, note)
			all = append(all, w.auth)
		}
	}
	return all
}

// loads returns an error if a file of TLS to backends cannot be used.
func loads(t *proxy.BackendTLS, key string) error {
	if t == nil {
		return nil
	}
	if wrong, ok := errors.AsType[*proxy.ValueError](t.Load()); ok {
		return &PartError{Key: key + "." + wrong.Key, Hint: wrong.Hint, Err: errors.New(wrong.Text)}
	}
	return nil
}
