package tui

import (
	"fmt"
	"strings"
	"time"

	tea "github.com/charmbracelet/bubbletea"

	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/proxy/api"
	"github.com/tcpctl/tcpctl/themes"
	"github.com/tcpctl/tcpctl/tui/internal/screen"
)

// planPane is the steps of the restart, window or roll that is under way, and
// what has come of the last one.
type planPane struct {
	versioned
	m      *model
	report proxy.Report // of the plan that has ended
	ran    string       // the plan that we have seen running
}

// reportStays is how long a report keeps its corner of a large screen; the
// pane itself has it until the next plan.
const reportStays = time.Minute

// over reports whether a plan has come to an end, whichever.
func over(plan *proxy.PlanInfo) bool {
	return plan != nil && plan.State != proxy.PlanRunning && plan.State != proxy.PlanPaused
}

// wanted is the plan whose report is still to be asked for.
func (p *planPane) wanted(m *model) string {
	if plan := m.world.status.Plan; over(plan) && p.report.ID != plan.ID {
		return plan.ID
	}
	return ""
}

// take brings a report; one that we have waited for is said aloud.
func (p *planPane) take(m *model, r proxy.Report) {
	p.report = r
	if p.ran == r.ID {
		level := proxy.LevelGood
		if r.State != proxy.PlanDone {
			level = proxy.LevelWarn
		}
		m.show(level, r.Sentence())
	}
	p.touch()
}

// shown is the plan that runs, or the last one that we know of.
func (p *planPane) shown(m *model) *proxy.PlanInfo {
	if plan := m.world.status.Plan; plan != nil || p.report.ID == "" {
		return plan
	}
	return p.report.Info()
}

// fresh reports whether there is a plan to be seen: one that runs, or has
// ended not long ago.
func (p *planPane) fresh(m *model) bool {
	plan := p.shown(m)
	return plan != nil && (!over(plan) || p.report.ID == plan.ID && m.engineNow().Sub(p.report.Ended) < reportStays)
}

func (p *planPane) name() string  { return "Plan" }
func (p *planPane) grid() grid    { return nil }
func (p *planPane) bind(m *model) { p.m = m }
func (p *planPane) refresh(m *model) {
	if plan := m.world.status.Plan; plan != nil && !over(plan) {
		p.ran = plan.ID
	}
	p.touch()
}
func (p *planPane) turn(*model)               {}
func (p *planPane) details() (string, []fact) { return "", nil }

func (p *planPane) keys() []binding {
	steer := func(m *model, word string) tea.Cmd {
		return m.propose(api.Request{Act: "plan", Args: []string{word}}, nil, false)
	}
	return []binding{
		{name: "plan_pause", keys: []string{" "}, label: "pause", help: "hold the plan before its next step, or let it go on", act: "plan", off: p.noPlan, run: func(m *model) tea.Cmd {
			if m.world.status.Plan.State == proxy.PlanPaused {
				return steer(m, "next")
			}
			return steer(m, "pause")
		}},
		{name: "plan_next", keys: []string{"n"}, label: "next", help: "go on with the plan's next step", act: "plan", off: p.noPlan, run: func(m *model) tea.Cmd { return steer(m, "next") }},
		{name: "plan_abort", keys: []string{"a"}, label: "abort", help: "abort the plan", act: "plan", off: p.noPlan, run: func(m *model) tea.Cmd { return steer(m, "abort") }},
	}
}

func (p *planPane) noPlan(m *model) string {
	if plan := m.world.status.Plan; plan == nil || over(plan) {
		return "no plan is under way"
	}
	return ""
}

func (p *planPane) badge(m *model) string {
	plan := m.world.status.Plan
	if plan == nil || over(plan) {
		return ""
	}
	return fmt.Sprintf("%d/%d", stepsDone(plan), len(plan.Steps))
}

func stepsDone(plan *proxy.PlanInfo) (n int) {
	for _, s := range plan.Steps {
		if s.State == "done" || s.State == "skipped" {
			n++
		}
	}
	return n
}

func (p *planPane) title(m *model) string {
	plan := p.shown(m)
	if plan == nil {
		return ""
	}
	return fmt.Sprintf("%s %s (%d/%d)", screen.Safe(plan.Kind), screen.Safe(plan.Service), stepsDone(plan), len(plan.Steps))
}

func (p *planPane) foot(m *model) string {
	plan := p.shown(m)
	if plan == nil {
		return ""
	}
	text := stateText(plan.State)
	if plan.Owner != "" {
		text += " by " + screen.Safe(who(plan.Owner))
	}
	return text
}

func (p *planPane) draw(m *model, c *screen.Canvas, _ bool) {
	plan := p.shown(m)
	if plan == nil {
		emptyText(c, m, "No plan is under way.", "The steps of a restart, a window or a roll stand here while it runs.")
		return
	}
	y := 0
	if plan.Reason != "" {
		c.Text(1, y, screen.Clip("reason: "+screen.Safe(plan.Reason), c.W-2, m.theme.Glyphs.Ellipsis), themes.TextDim)
		y++
	}
	done := over(plan) && p.report.ID == plan.ID
	for i := firstStep(plan, c.H-y, done); i < len(plan.Steps); i++ {
		s := &plan.Steps[i]
		sign, role := stepSign(s.State)
		x := c.Text(1, y, sign, role)
		x = c.Text(x+1, y, fmt.Sprintf("%2d %-17s ", i+1, screen.Safe(s.What)), role)
		text := screen.Safe(s.State)
		if s.Seconds > 0 {
			text += " " + screen.Clock(screen.Seconds(s.Seconds))
		}
		switch {
		case s.State == proxy.StepWaiting && s.Detail != "":
			text = screen.Safe(s.Detail) // that it waits is seen by its sign
		case s.Detail != "":
			text += "  " + screen.Safe(s.Detail)
		}
		c.Text(x, y, screen.Clip(text, max(c.W-x-1, 0), m.theme.Glyphs.Ellipsis), themes.Text)
		y++
	}
	if done {
		p.drawReport(c, y+1, plan.State)
	}
}

// firstStep is the first that is drawn where there is no room for all: what
// runs, or what has come of it, is on the screen, with what went before it.
func firstStep(plan *proxy.PlanInfo, room int, done bool) int {
	const report = 7
	if done {
		return max(len(plan.Steps)-max(room-report, 1), 0)
	}
	now := min(stepsDone(plan), len(plan.Steps)-1)
	return max(min(now-room/3, len(plan.Steps)-room), 0)
}

// stateText is a state as people say it: timed up.
func stateText(state string) string { return strings.ReplaceAll(screen.Safe(state), "_", " ") }

// drawReport is what a plan meant to clients.
func (p *planPane) drawReport(c *screen.Canvas, y int, state string) {
	say := func(text string, role themes.Role) {
		for _, line := range screen.Wrap(text, c.W-2) {
			c.Text(1, y, line, role)
			y++
		}
	}
	role := themes.OK
	if state != proxy.PlanDone {
		role = themes.Error
	}
	r, n := &p.report, &p.report.Numbers
	text := stateText(state)
	if r.Error != "" {
		text += ": " + screen.Safe(r.Error)
	}
	say(text+", after "+screen.Clock(r.Took()), role)
	say(fmt.Sprintf("%d held, longest %.1fs, p50 %.1fs, p99 %.1fs", n.Held, n.LongestSeconds, n.P50Seconds, n.P99Seconds), themes.Text)
	failed := themes.Text
	if n.Failed+n.Cut+n.Rejected > 0 {
		failed = themes.Warn
	}
	say(fmt.Sprintf("%d left on their own, %d timed out, %d cut, %d failed, %d rejected", n.Abandoned, n.TimedOut, n.Cut, n.Failed, n.Rejected), failed)
	say("tcpctl report "+screen.Safe(r.ID), themes.TextDim)
}

func stepSign(state string) (string, themes.Role) {
	switch state {
	case "done":
		return "[x]", themes.OK
	case "running":
		return "[>]", themes.Warn
	case "failed":
		return "[!]", themes.Error
	case "skipped":
		return "[-]", themes.TextDim
	}
	return "[ ]", themes.TextDim
}

// strip is the step that runs.
func (p *planPane) strip(m *model, c *screen.Canvas) int {
	plan := p.shown(m)
	if !p.fresh(m) {
		return 0
	}
	if over(plan) {
		c.Text(2, 0, screen.Clip(screen.Safe(p.report.Sentence()), c.W-3, m.theme.Glyphs.Ellipsis), themes.Text)
		return 1
	}
	for i, s := range plan.Steps {
		if s.State == "running" || s.State == "failed" {
			sign, role := stepSign(s.State)
			c.Text(2, 0, fmt.Sprintf("%s %d %s  %s", sign, i+1, screen.Safe(s.What), screen.Safe(s.Detail)), role)
			break
		}
	}
	return 1
}
