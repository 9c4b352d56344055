//go:build unix

package main

import (
	"fmt"
	"io"
	"net"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/tcpctl/tcpctl/mesh"
	"github.com/tcpctl/tcpctl/proxy/proxytest"
)

// TestStrangersOfTheMeshCannotStarveClients: a process that may have 256 descriptors serves clients
// despite hundreds of connections to its mesh listener and forty nodes that join its open mesh.
func TestStrangersOfTheMeshCannotStarveClients(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Skip("needs ulimit and /proc as on Linux")
	}
	b := startBackend(t, "a")
	at := proxytest.FreePort(t)
	path := filepath.Join(t.TempDir(), "tcpctl.toml")
	write(t, path, fmt.Sprintf(`[mesh]
name = "open"
node = "hub"
listen = %q
mdns = false
[services.db]
listen = "127.0.0.1:0"
backends = [%q]
`, at, b.addr))
	in := runInstance(t, []string{"sh", "-c", `ulimit -n 256; exec "$@"`, "sh"}, "run", "--no-ui", "-c", path)
	addr := in.addr()
	for i := range 40 {
		n, err := mesh.New(mesh.Config{Name: "open", Node: fmt.Sprint("stranger-", i), NoMDNS: true, Join: []string{at}})
		if err != nil {
			t.Fatal(err)
		}
		defer n.Close()
		if err := n.Listen(t.Context(), "127.0.0.1:0"); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 800 {
		c, err := net.Dial("tcp", at)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if i%3 == 0 {
			io.WriteString(c, "\x16\x03\x01\x01\x00\x01") // the first bytes of a ClientHello
		}
	}
	for range 200 {
		if err := oneVisit(addr, "hello"); err != nil {
			t.Fatal(err)
		}
	}
	if s := in.service(); s.Sessions.Total != 200 || s.Sessions.Failed > 0 {
		t.Errorf("%+v", s.Sessions)
	}
	t.Logf("%d descriptors are open; %d peers", descriptors(in.status().Node.PID), len(in.status().Mesh.Peers))
	if n := descriptors(in.status().Node.PID); n > 120 {
		t.Errorf("%d descriptors are open", n)
	}
}
