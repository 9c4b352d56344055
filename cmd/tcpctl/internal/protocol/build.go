package protocol

import (
	"log/slog"

	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/config"
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

// Build gives a service the TLS and the WebSocket protocol that its table in
// the file asks for. A nil file asks for neither. An error is a *PartError.
func Build(c *proxy.ServiceConfig, file *config.Service) (err error) {
	if file == nil {
		return nil
	}
	if t := file.TLS; t != nil {
		if c.TLS, err = TLS(t.Cert, t.Key, t.ClientCA, slog.Default()); err != nil {
			return err
		}
	}
	if file.WS != nil {
		w, err := NewWebSocket(*file.WS, nil)
		if err != nil {
			return &PartError{Key: "ws", Err: err}
		}
		c.Protocol = w
	}
	return nil
}
