package main

import (
	"net"
	"strings"
	"syscall"
	"testing"

	"github.com/tcpctl/tcpctl/proxy"
)

// TestRule40fARestartWhileTheSourceIsDown: the process begins with the last good set, shows its
// true age, and serves; once the source answers again, its answers are used.
func TestRule40fARestartWhileTheSourceIsDown(t *testing.T) {
	t.Parallel()
	for kind, origin := range origins {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			s := &changing{o: origin(t)}
			s.shuffled.t = t
			s.a = newBackendAt(t, "a", "127.0.0.2:0")
			_, port, _ := net.SplitHostPort(s.a.addr)
			s.b = newBackendAt(t, "b", "127.0.0.3:"+port)
			s.o.set(s.a, s.b)
			s.configured = runConfigured(t, "[services.db]\nlisten = \"127.0.0.1:0\"\ncheck.interval = \"200ms\"\n"+strings.Replace(s.o.key, "PORT", port, 1))
			s.untilServing(s.a, s.b)
			was := s.service().Discovery[0].At
			s.o.fail()
			s.until("a failure", func(i *proxy.ServiceInfo) bool { return i.Discovery[0].Error != "" })
			s.cmd.Process.Signal(syscall.SIGTERM)
			s.cmd.Wait()

			s.running = runInstance(t, nil, "run", "-c", s.path, "--no-ui")
			s.untilServing(s.a, s.b)
			s.until("a failure", func(i *proxy.ServiceInfo) bool { return i.Discovery[0].Error != "" })
			s.serving(s.a, s.b)
			if at := s.service().Discovery[0].At; at == nil || at.Before(*was) {
				t.Errorf("its last answer was at %v, and is said to have been at %v", was, at)
			}
			if out := s.tcpctl("status"); !strings.Contains(out, "no answer since then: ") {
				t.Errorf("status says\n%s", out)
			}
			s.o.set(s.b)
			s.untilServing(s.b)
		})
	}
}
