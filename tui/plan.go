package tui

import (
	"fmt"

	tea "github.com/charmbracelet/bubbletea"

	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/proxy/api"
	"github.com/tcpctl/tcpctl/themes"
)

// planPane is the steps of the restart, window or roll that is under way.
type planPane struct {
	versioned
	m *model
}

func (p *planPane) name() string              { return "Plan" }
func (p *planPane) grid() grid                { return nil }
func (p *planPane) bind(m *model)             { p.m = m }
func (p *planPane) refresh(*model)            { p.touch() }
func (p *planPane) turn(*model)               {}
func (p *planPane) details() (string, []fact) { return "", nil }

func (p *planPane) keys() []binding {
	steer := func(m *model, word string) tea.Cmd {
		return m.propose(api.Request{Act: "plan", Args: []string{word}}, nil, false)
	}
	return []binding{
		{name: "plan_pause", keys: []string{" "}, label: "pause", help: "hold the plan before its next step, or let it go on", act: "plan", off: p.noPlan, run: func(m *model) tea.Cmd {
			if m.world.status.Plan.State == "paused" {
				return steer(m, "next")
			}
			return steer(m, "pause")
		}},
		{name: "plan_next", keys: []string{"n"}, label: "next", help: "go on with the plan's next step", act: "plan", off: p.noPlan, run: func(m *model) tea.Cmd { return steer(m, "next") }},
		{name: "plan_abort", keys: []string{"a"}, label: "abort", help: "abort the plan", act: "plan", off: p.noPlan, run: func(m *model) tea.Cmd { return steer(m, "abort") }},
	}
}

func (p *planPane) noPlan(m *model) string {
	if m.world.status.Plan == nil {
		return "no plan is under way"
	}
	return ""
}

func (p *planPane) badge(m *model) string {
	plan := m.world.status.Plan
	if plan == nil {
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
	plan := m.world.status.Plan
	if plan == nil {
		return ""
	}
	return fmt.Sprintf("%s %s (%d/%d)", safe(plan.Kind), safe(plan.Service), stepsDone(plan), len(plan.Steps))
}

func (p *planPane) foot(m *model) string {
	plan := m.world.status.Plan
	if plan == nil {
		return ""
	}
	text := safe(plan.State)
	if plan.Owner != "" {
		text += " by " + safe(who(plan.Owner))
	}
	return text
}

func (p *planPane) draw(m *model, c *canvas, _ bool) {
	plan := m.world.status.Plan
	if plan == nil {
		emptyText(c, m, "No plan is under way.", "The steps of a restart, a window or a roll stand here while it runs.")
		return
	}
	y := 0
	if plan.Reason != "" {
		c.text(1, y, cut("reason: "+safe(plan.Reason), c.w-2), is(themes.TextDim))
		y++
	}
	for i, s := range plan.Steps {
		sign, role := stepSign(s.State)
		x := c.text(1, y, sign, is(role))
		x = c.text(x+1, y, fmt.Sprintf("%d %-18s ", i+1, safe(s.What)), is(role))
		text := safe(s.State)
		if s.Seconds > 0 {
			text += " " + clock(seconds(s.Seconds))
		}
		if s.Detail != "" {
			text += "  " + safe(s.Detail)
		}
		c.text(x, y, cut(text, max(c.w-x-1, 0)), is(themes.Text))
		y++
	}
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
func (p *planPane) strip(m *model, c *canvas) int {
	plan := m.world.status.Plan
	if plan == nil {
		return 0
	}
	for i, s := range plan.Steps {
		if s.State == "running" || s.State == "failed" {
			sign, role := stepSign(s.State)
			c.text(2, 0, fmt.Sprintf("%s %d %s  %s", sign, i+1, safe(s.What), safe(s.Detail)), is(role))
			break
		}
	}
	return 1
}
