package api

import (
	"fmt"
	"time"

	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/proxy/text"
)

// SessionText describes a session for people: "s4711 10.2.0.9:51344 on db/a, 12m4s
// old, 1.4M/s". rate is in bytes per second, both directions together.
func SessionText(s *proxy.SessionInfo, rate float64) string {
	age := text.Duration(time.Duration(s.AgeSeconds) * time.Second)
	if s.Phase == proxy.PhaseQueue || s.Backend == "" {
		return fmt.Sprintf("%s %s waiting for %s for %s", s.ID, s.Client, s.Service, age)
	}
	return fmt.Sprintf("%s %s on %s/%s, %s old, %s/s", s.ID, s.Client, s.Service, s.Backend, age, text.Bytes(rate))
}

// sessionTexts describes some of the sessions, each with its average rate.
func sessionTexts(all []proxy.SessionInfo) (texts []string) {
	const most = 5
	for i := range all {
		if i == most && len(all) > most+1 {
			return append(texts, fmt.Sprintf("and %d more", len(all)-i))
		}
		s := &all[i]
		rate := 0.0
		if s.AgeSeconds > 0 {
			rate = float64(s.BytesIn+s.BytesOut) / s.AgeSeconds
		}
		texts = append(texts, SessionText(s, rate))
	}
	return texts
}
