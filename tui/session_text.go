package tui

import (
	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/proxy/api"
	"github.com/tcpctl/tcpctl/tui/internal/screen"
)

// sessionText describes a session or waiter as last seen: its client, its backend, its age and its
// rate. An unknown one has only its id.
func (f *frame) sessionText(id string) string {
	for _, s := range f.stats.sessions.list {
		if s.ID == id {
			return screen.Safe(api.SessionText(&s.SessionInfo, s.in+s.out))
		}
	}
	for _, w := range f.stats.waiters.list {
		if w.ID == id {
			return screen.Safe(api.SessionText(&proxy.SessionInfo{ID: id, Client: w.Client, Service: f.stats.waiters.service, Phase: proxy.PhaseQueue, AgeSeconds: w.WaitedSeconds}, 0))
		}
	}
	return screen.Safe(id)
}
