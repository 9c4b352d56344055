package proxy_test

import (
	"errors"
	"strings"
	"syscall"
	"testing"

	"github.com/tcpctl/tcpctl/proxy"
)

func TestListenHint(t *testing.T) {
	t.Parallel()
	for addr, want := range map[string]string{"127.0.0.1:80": "ss -ltnp", "unix:/run/db.sock": "ss -lxp"} {
		if err := proxy.ListenHint(addr, syscall.EADDRINUSE); !errors.Is(err, syscall.EADDRINUSE) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", addr, err)
		}
	}
}
