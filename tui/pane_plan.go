package tui

import (
	"fmt"
	"strings"

	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/proxy/api"
	"github.com/tcpctl/tcpctl/themes"
	"github.com/tcpctl/tcpctl/tui/internal/screen"
)

// planPane shows the steps of the restart, window or roll that is under way, and the report of the
// last one.
type planPane struct{ versioned }

func (p *planPane) name() string                   { return "Plan" }
func (p *planPane) grid() grid                     { return nil }
func (p *planPane) refresh(*frame)                 { p.touch() }
func (p *planPane) turn(*frame) intent             { return nil }
func (p *planPane) details(*frame, string) details { return details{} }

// need counts the steps and, after the end, the report.
func (p *planPane) need(f *frame) int {
	plan, nodes := f.stats.plan(), 0
	if n := len(f.planNodes()); n > 0 {
		nodes = n + 2
	}
	switch {
	case f.foreignPlan() != nil:
		return nodes + 3
	case plan == nil || !f.planIsFresh():
		return 0
	case hasEnded(plan):
		return len(plan.Steps) + 8 + nodes
	}
	return len(plan.Steps) + 3 + nodes
}

func (p *planPane) keys() []binding {
	steer := func(word string) intent { return propose{req: api.Request{Act: "plan", Args: []string{word}}} }
	return []binding{
		{name: "plan_pause", Binding: on("pause", " "), help: "pause the plan before its next step, or go on with it", act: "plan", off: noPlan, run: func(f *frame) intent {
			if f.stats.status.Plan.State == proxy.PlanPaused {
				return steer("next")
			}
			return steer("pause")
		}},
		{name: "plan_next", Binding: on("next", "n"), help: "go on with the plan's next step; asks first", act: "plan", off: notHeld, run: func(*frame) intent { return steer("next") }},
		{name: "plan_abort", Binding: on("abort", "a"), help: "abort the plan", act: "plan", off: noPlan, run: func(*frame) intent { return steer("abort") }},
	}
}

// notHeld says why the plan cannot be continued.
func notHeld(f *frame) string {
	if why := noPlan(f); why != "" {
		return why
	}
	if f.stats.status.Plan.State != proxy.PlanPaused {
		return "the plan is not held; space holds it before its next step"
	}
	return ""
}

// holdText says that a plan waits for an operator, and where; "": it does not.
func holdText(plan *proxy.PlanInfo) string {
	if plan.State != proxy.PlanPaused {
		return ""
	}
	for i, s := range plan.Steps {
		switch s.State {
		case proxy.StepRunning:
			return fmt.Sprintf("HELD after step %d, %s", i+1, screen.Safe(s.What))
		case proxy.StepWaiting:
			return fmt.Sprintf("HELD before step %d, %s", i+1, screen.Safe(s.What))
		}
	}
	return "HELD"
}

func noPlan(f *frame) string {
	if p := f.foreignPlan(); p != nil && p.Window {
		return "open " + screen.Safe(p.Owner) + ", whose plan it is"
	} else if p != nil {
		return "it is a pause: resume " + screen.Safe(p.Service) + " to end it"
	}
	if !f.stats.planRuns() {
		return "no plan is under way"
	}
	return ""
}

func (p *planPane) badge(f *frame) string {
	if p := f.foreignPlan(); p != nil {
		return "all" // nodes
	}
	if !f.stats.planRuns() {
		return ""
	}
	plan := f.stats.status.Plan
	text := fmt.Sprintf("%d/%d", stepsDone(plan), len(plan.Steps))
	if plan.State == proxy.PlanPaused {
		text += " HELD"
	}
	return text
}

func stepsDone(plan *proxy.PlanInfo) (n int) {
	for _, s := range plan.Steps {
		if s.State == "done" || s.State == "skipped" {
			n++
		}
	}
	return n
}

func (p *planPane) title(f *frame) string {
	if p := f.foreignPlan(); p != nil {
		return fmt.Sprintf("%s %s on all nodes", planKind(p), screen.Safe(p.Service))
	}
	plan := f.stats.plan()
	if plan == nil {
		return ""
	}
	return fmt.Sprintf("%s %s (%d/%d)", screen.Safe(plan.Kind), screen.Safe(plan.Service), stepsDone(plan), len(plan.Steps))
}

func (p *planPane) foot(f *frame) string {
	plan := f.stats.plan()
	if plan == nil || f.foreignPlan() != nil {
		return ""
	}
	text := stateText(plan.State)
	if plan.Owner != "" {
		text += " by " + screen.Safe(operatorName(plan.Owner))
	}
	return text
}

func (p *planPane) draw(f *frame, c *screen.Canvas, _ bool) {
	if p := f.foreignPlan(); p != nil {
		drawForeign(f, c, p)
		return
	}
	plan := f.stats.plan()
	if plan == nil {
		if f.past != nil && f.past.moment != nil && f.past.moment.Missing == "" {
			c.Text(2, 0, "No plan was under way.", themes.Text)
			return
		}
		drawEmpty(f, c, "No plan is under way.", "The steps of a restart, a window or a roll appear here while it runs.")
		return
	}
	y := drawPlanHead(f, c, plan)
	done, nodes := f.stats.isReported(plan), f.planNodes()
	room, gap := c.H-y, 0
	if n := len(nodes); n > 0 { // more important than steps that wait or are done
		if gap = 1; room < len(plan.Steps)+n+2 {
			gap = 0
		}
		room = max(room-n-1-gap, 1)
	}
	first := firstStep(plan, room, done)
	if done && len(nodes) > 0 && room <= reportLines {
		first = len(plan.Steps)
	}
	for i := first; i < min(len(plan.Steps), first+room); i++ {
		drawStep(f, c, y, i+1, &plan.Steps[i])
		y++
	}
	if done {
		if first < len(plan.Steps) {
			y++
		}
		y = drawReport(&f.stats.report, c, y)
	}
	drawNodes(f, c, y+gap, nodes)
}

// drawPlanHead draws the lines about the plan as a whole, and returns the line below.
func drawPlanHead(f *frame, c *screen.Canvas, plan *proxy.PlanInfo) (y int) {
	if held := holdText(plan); held != "" {
		if f.past == nil {
			held += "   n next   a abort"
		}
		c.Text(1, y, screen.Clip(held, c.W-2, f.theme.Glyphs.Ellipsis), themes.Warn)
		y++
	}
	if n := len(plan.Steps); n > 0 && !hasEnded(plan) && c.H > n+1 {
		screen.Bar(c, 1, y, min(20, max(c.W-4, 1)), float64(stepsDone(plan))/float64(n))
		y++
	}
	if plan.Reason != "" {
		c.Text(1, y, screen.Clip("reason: "+screen.Safe(plan.Reason), c.W-2, f.theme.Glyphs.Ellipsis), themes.TextDim)
		y++
	}
	return y
}

func drawStep(f *frame, c *screen.Canvas, y, number int, s *proxy.StepInfo) {
	sign, role := stepSign(s.State)
	x := c.Text(1, y, sign, role)
	x = c.Text(x+1, y, fmt.Sprintf("%2d %-17s ", number, screen.Safe(s.What)), role)
	text := screen.Safe(s.State)
	if s.Seconds > 0 {
		text += " " + screen.Clock(screen.Seconds(s.Seconds))
	}
	switch {
	case s.State == proxy.StepWaiting && s.Detail != "":
		text = screen.Safe(s.Detail) // its sign already says that it waits
	case s.Detail != "":
		text += "  " + screen.Safe(s.Detail)
	}
	c.Text(x, y, screen.Clip(text, max(c.W-x-1, 0), f.theme.Glyphs.Ellipsis), themes.Text)
}

// firstStep returns the first step to draw: the one that runs, or the report, must fit, with as
// many of the steps before it as possible.
func firstStep(plan *proxy.PlanInfo, room int, done bool) int {
	if done {
		return max(len(plan.Steps)-max(room-reportLines, 1), 0)
	}
	now := min(stepsDone(plan), len(plan.Steps)-1)
	return max(min(now-room/3, len(plan.Steps)-room), 0)
}

// reportLines is the usual number of lines of a report.
const reportLines = 7

// stateText formats a state: "timed out" for timed_out.
func stateText(state string) string { return strings.ReplaceAll(screen.Safe(state), "_", " ") }

// drawReport draws a plan's effects on clients, and returns the line below.
func drawReport(r *proxy.Report, c *screen.Canvas, y int) int {
	say := func(text string, role themes.Role) {
		for _, line := range screen.Wrap(text, c.W-2) {
			c.Text(1, y, line, role)
			y++
		}
	}
	role := themes.OK
	if r.State != proxy.PlanDone {
		role = themes.Error
	}
	n := &r.Numbers
	text := stateText(r.State)
	if r.Error != "" {
		text += ": " + screen.Safe(r.Error)
	}
	say(text+", after "+screen.Clock(r.Took()), role)
	held := fmt.Sprintf("%d held, longest %.1fs", n.Held, n.LongestSeconds)
	if len(r.Nodes) == 0 { // there are no quantiles over several nodes
		held += fmt.Sprintf(", p50 %.1fs, p99 %.1fs", n.P50Seconds, n.P99Seconds)
	}
	say(held, themes.Text)
	failed := themes.Text
	if n.Failed+n.Cut+n.Rejected > 0 {
		failed = themes.Warn
	}
	say(fmt.Sprintf("%d abandoned, %d timed out, %d cut, %d failed, %d rejected", n.Abandoned, n.TimedOut, n.Cut, n.Failed, n.Rejected), failed)
	if len(r.Nodes) > 0 {
		across, text := themes.OK, proxy.AcrossNodes(r.Nodes)
		for _, one := range r.Nodes {
			if one.Unknown != "" {
				text += "; " + screen.Safe(one.Node) + ": " + screen.Safe(one.Unknown)
			}
			if one.State != proxy.NodeDone || one.Numbers.Failed+one.Numbers.Rejected > 0 {
				across = themes.Warn
			}
		}
		say(text, across)
	}
	say("tcpctl report "+screen.Safe(r.ID), themes.TextDim)
	return y
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

func (p *planPane) strip(f *frame, c *screen.Canvas) int {
	if p := f.foreignPlan(); p != nil {
		c.Text(2, 0, screen.Clip(foreignText(f, p), c.W-3, f.theme.Glyphs.Ellipsis), themes.Text)
		return drawNodes(f, c, 1, p.Nodes)
	}
	plan := f.stats.plan()
	if !f.planIsFresh() {
		return 0
	}
	if hasEnded(plan) {
		c.Text(2, 0, screen.Clip(screen.Safe(f.stats.report.Sentence()), c.W-3, f.theme.Glyphs.Ellipsis), themes.Text)
		return 1
	}
	if held := holdText(plan); held != "" {
		c.Text(2, 0, screen.Clip(held+"   6 n goes on", c.W-3, f.theme.Glyphs.Ellipsis), themes.Warn)
		return 1
	}
	for i, s := range plan.Steps {
		if s.State == "running" || s.State == "failed" {
			sign, role := stepSign(s.State)
			c.Text(2, 0, fmt.Sprintf("%s %d %s  %s", sign, i+1, screen.Safe(s.What), screen.Safe(s.Detail)), role)
			break
		}
	}
	return drawNodes(f, c, 1, f.planNodes())
}
