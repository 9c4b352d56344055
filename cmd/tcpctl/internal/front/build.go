package front

import (
	"fmt"
	"log/slog"

	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/config"
	"github.com/tcpctl/tcpctl/proxy"
)

// Build gives a service what its file puts in front of it.
func Build(c *proxy.ServiceConfig, file *config.Service) (err error) {
	if file == nil || file.TLS == nil {
		return nil
	}
	t := file.TLS
	if c.TLS, err = TLS(t.Cert, t.Key, t.ClientCA, slog.Default()); err != nil {
		return fmt.Errorf("service %q: %w", c.Name, err)
	}
	return nil
}
