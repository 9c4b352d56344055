package tui

import (
	"fmt"

	"github.com/tcpctl/tcpctl/proxy/api"
	"github.com/tcpctl/tcpctl/themes"
	"github.com/tcpctl/tcpctl/tui/internal/screen"
)

// groupWords are the displayed names of the groupings.
var groupWords = map[string]string{"client": "client", "net": "/24", "service": "service"}

// drawTalkers draws the top talkers of the last five minutes.
func (p *backendsPane) drawTalkers(f *frame, c *screen.Canvas) {
	h := &p.heat
	x := c.Text(0, 0, "who talks ", themes.Title)
	c.Text(x+1, 0, "by "+groupWords[h.group]+", "+h.by+" in 5m", themes.TextDim)
	switch {
	case h.err != "":
		return
	case h.top == nil:
		c.Text(0, 1, "asking", themes.TextDim)
		return
	case len(h.top.Rows) == 0:
		c.Text(0, 1, "none in the last 5 minutes", themes.TextDim)
		return
	}
	nameW := min(max(c.W-20, 8), 40)
	seconds := h.top.Until.Sub(h.top.Since).Seconds()
	y := 1
	line := func(name string, t *api.Talker, role themes.Role) {
		if y >= c.H {
			return
		}
		c.Text(0, y, screen.Middle(name, nameW, f.theme.Glyphs.Ellipsis), role)
		c.Right(nameW+8, y, talkerText(t, h.by, seconds), themes.Text)
		screen.Bar(c, nameW+9, y, max(c.W-nameW-14, 1), t.Share)
		c.Right(c.W, y, fmt.Sprintf("%.0f%%", 100*t.Share), themes.TextDim)
		y++
	}
	for i := range h.top.Rows {
		if t := &h.top.Rows[i]; y < c.H-1 || i == len(h.top.Rows)-1 {
			line(screen.Safe(t.Name), t, themes.Text)
		}
	}
	if o := &h.top.Others; o.Share > 0 {
		line("others", o, themes.TextDim)
	}
}

// talkerText formats a talker's usage, in the chosen unit.
func talkerText(t *api.Talker, by string, seconds float64) string {
	switch by {
	case "sessions":
		return screen.Count(float64(t.Sessions))
	case "waiting":
		return screen.Clock(screen.Seconds(t.WaitingSeconds))
	}
	return screen.Bytes(float64(t.BytesIn+t.BytesOut)/max(seconds, 1)) + "/s"
}

// topCommand is :top [SERVICE], which shows the top talkers and the backends' latency.
func (w *workspace) topCommand(service string) intent {
	w.backends.heat.on = true
	w.backends.touch()
	if service == "" {
		return focusPane(paneBackends)
	}
	return w.showService(paneBackends, service)
}
