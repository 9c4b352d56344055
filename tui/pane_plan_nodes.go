package tui

import (
	"fmt"
	"strconv"

	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/proxy/api"
	"github.com/tcpctl/tcpctl/proxy/text"
	"github.com/tcpctl/tcpctl/themes"
	"github.com/tcpctl/tcpctl/tui/internal/screen"
)

// clusterPlan returns the plan of all nodes that is under way: the one that this node's plan
// belongs to, or the one that began last; nil: none.
func (f *frame) clusterPlan() (p *api.ClusterPlan) {
	c := f.stats.status.Cluster
	if c == nil || f.past != nil {
		return nil
	}
	if own := f.stats.status.Plan; own != nil && !hasEnded(own) {
		return c.Plan(own.Service)
	}
	for i := range c.Plans {
		if one := &c.Plans[i]; one.Step != planResumed && (p == nil || one.Since.After(p.Since)) {
			p = one
		}
	}
	return p
}

// planResumed is the step of a finished ClusterPlan.
const planResumed = "resumed"

// planNodes returns the nodes' parts of the plan that is shown, under way or ended.
func (f *frame) planNodes() []proxy.NodeReport {
	plan := f.stats.plan()
	if plan != nil && f.stats.isReported(plan) {
		return f.stats.report.Nodes
	}
	if p := f.clusterPlan(); p != nil {
		return p.Nodes
	}
	return nil
}

// foreignPlan returns the plan of all nodes if another node owns it: this node then has no steps.
// nil: this node owns it, or there is none.
func (f *frame) foreignPlan() *api.ClusterPlan {
	if f.stats.planRuns() {
		return nil
	}
	return f.clusterPlan()
}

func planKind(p *api.ClusterPlan) string {
	switch {
	case p.Backend != "":
		return proxy.PlanRestart
	case p.Window:
		return proxy.PlanWindow
	}
	return "pause"
}

// planTarget returns the service or backend of a plan of all nodes.
func planTarget(p *api.ClusterPlan) string {
	if p.Backend != "" {
		return screen.Safe(p.Service + "/" + p.Backend)
	}
	return screen.Safe(p.Service)
}

// foreignText says who owns a plan of all nodes, and its progress.
func foreignText(f *frame, p *api.ClusterPlan) string {
	return fmt.Sprintf("%s of %s on %s: %s; by %s at %s, since %s", planKind(p), planTarget(p), text.Plural(len(p.Nodes), "node"), stepText(p),
		screen.Safe(operatorName(p.By)), screen.Safe(p.Owner), f.timeOf(p.Since))
}

// stepText returns the progress of a plan of all nodes.
func stepText(p *api.ClusterPlan) string {
	switch waits := len(p.Waits()); {
	case p.Step == "pause" && waits > 0:
		return fmt.Sprintf("%d of them not settled", waits)
	case p.Step == "pause" && p.Backend != "":
		return "drained"
	case p.Step == "pause":
		return "no session is live"
	case p.Step == "command":
		return "its command runs"
	case p.Step == "check":
		return "checks"
	case p.Step == "next":
		return "its next backend follows"
	}
	return screen.Safe(p.Step)
}

// nodeSign returns the sign and role of a node's part, as for a step.
func nodeSign(n *proxy.NodeReport) (string, themes.Role) {
	switch n.State {
	case proxy.NodePausing, proxy.NodeDraining:
		return stepSign(proxy.StepRunning)
	case proxy.NodeUnknown:
		return "[?]", themes.Warn
	}
	return stepSign("done")
}

// nodeColumns says which columns the lines of nodes have room for.
type nodeColumns struct {
	name          int // its width
	state, served bool
}

func columnsOf(nodes []proxy.NodeReport, w int) nodeColumns {
	cols, backends := nodeColumns{name: 11, state: w >= 60, served: true}, false
	for i := range nodes {
		cols.name = max(cols.name, screen.Width(nodeName(&nodes[i]))+1)
		backends = backends || nodes[i].Backend != ""
	}
	room := w - 31
	if cols.state {
		room -= 9
	}
	if backends && room < cols.name {
		cols.served, room = false, room+7
	}
	cols.name = min(cols.name, max(11, room))
	return cols
}

// nodeName returns a node, and the backend of its part.
func nodeName(n *proxy.NodeReport) string {
	if n.Backend != "" {
		return screen.Safe(n.Node + " " + n.Backend)
	}
	return screen.Safe(n.Node)
}

// drawNodes draws a heading and a line for each node from y on, and returns the line below. If not
// all fit, the last line says how many more there are.
func drawNodes(f *frame, c *screen.Canvas, y int, nodes []proxy.NodeReport) int {
	if len(nodes) == 0 || y+1 >= c.H {
		return y
	}
	cols := columnsOf(nodes, c.W)
	head := fmt.Sprintf("    %-*s", cols.name, "NODE")
	if cols.state {
		head += fmt.Sprintf("%-9s", "STATE")
	}
	head += fmt.Sprintf("%5s %5s ", "LIVE", "HELD")
	if cols.served {
		head += "SERVED "
	}
	c.Text(1, y, screen.Cut(head+"FAILED", c.W-2), themes.TextDim)
	y++
	for i := range nodes {
		if y == c.H-1 && i < len(nodes)-1 {
			c.Text(5, y, fmt.Sprintf("and %d more", len(nodes)-i), themes.TextDim)
			return y + 1
		}
		drawNode(f, c, y, &nodes[i], cols)
		y++
	}
	return y
}

func drawNode(f *frame, c *screen.Canvas, y int, n *proxy.NodeReport, cols nodeColumns) {
	e := f.theme.Glyphs.Ellipsis
	sign, role := nodeSign(n)
	c.Text(1, y, sign, role)
	x := c.Text(5, y, fmt.Sprintf("%-*s", cols.name, screen.Middle(nodeName(n), cols.name-1, e)), themes.Text)
	if cols.state {
		x = c.Text(x, y, fmt.Sprintf("%-9s", stateText(n.State)), role)
	}
	if n.Unknown != "" {
		c.Text(x, y, screen.Clip(screen.Safe(n.Unknown), max(c.W-x-1, 0), e), themes.Warn)
		return
	}
	numbers := themes.Text
	if n.Numbers.Failed > 0 {
		numbers = themes.Error
	}
	live := screen.Count(float64(n.Live))
	if n.State == proxy.NodeDone {
		live = "-" // no longer reported
	}
	x = c.Text(x, y, fmt.Sprintf("%5s %5s ", live, screen.Count(float64(n.Numbers.Held))), themes.Text)
	if cols.served {
		x = c.Text(x, y, fmt.Sprintf("%6s ", screen.Count(float64(n.Served))), themes.Text)
	}
	c.Text(x, y, fmt.Sprintf("%6s", strconv.FormatInt(n.Numbers.Failed, 10)), numbers)
}

// drawForeign draws a plan that another node owns.
func drawForeign(f *frame, c *screen.Canvas, p *api.ClusterPlan) {
	y := 0
	for _, line := range screen.Wrap(foreignText(f, p), c.W-2) {
		c.Text(1, y, line, themes.Text)
		y++
	}
	if p.Reason != "" {
		c.Text(1, y, screen.Clip("reason: "+screen.Safe(p.Reason), c.W-2, f.theme.Glyphs.Ellipsis), themes.TextDim)
		y++
	}
	drawNodes(f, c, y+1, p.Nodes)
}
