package front

import (
	"fmt"
	"log/slog"

	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/config"
	"github.com/tcpctl/tcpctl/proxy"
)

// Build gives a service what its file puts in front of it.
func Build(c *proxy.ServiceConfig, file *config.Service) (err error) {
	if file == nil {
		return nil
	}
	if t := file.TLS; t != nil {
		if c.TLS, err = TLS(t.Cert, t.Key, t.ClientCA, slog.Default()); err != nil {
			return fmt.Errorf("service %q: %w", c.Name, err)
		}
	}
	if file.WS != nil {
		w, err := NewWebSocket(*file.WS, nil)
		if err != nil {
			return fmt.Errorf("service %q: %w", c.Name, err)
		}
		c.Protocol = w
	}
	return nil
}
