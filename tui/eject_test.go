package tui

import (
	"strings"
	"testing"
	"time"

	"github.com/tcpctl/tcpctl/proxy"
)

// An ejected backend is in the strip, with the reason and the end of the ejection, although its
// checks pass.
func TestAnEjectedBackendIsTrouble(t *testing.T) {
	f := sickFleet()
	b := &f.status.Services[1].Backends[3]
	b.State, b.Eligible, b.Reason, b.Since = proxy.StateEjected, false, "ejected", start.Add(-6*time.Second)
	b.Ejected = &proxy.EjectionInfo{Since: b.Since, Until: start.Add(24 * time.Second), Times: 1, Reason: proxy.ReasonReset}
	c := newConsole(t, f, 140, 40)
	c.sickFirst()
	screen := c.screen()
	line := ""
	for _, l := range strings.Split(screen, "\n") {
		if strings.Contains(l, "back in 24s") {
			line = l
		}
	}
	if !strings.Contains(line, "svc1-d") || !strings.Contains(line, "EJECT") || !strings.Contains(line, "resets clients before its first byte") || !strings.Contains(line, "3 of 4 up") {
		t.Errorf("the strip has %q in\n%s", line, screen)
	}
}
