package tui

import (
	"fmt"

	"github.com/tcpctl/tcpctl/themes"
)

// peersPane is the nodes of the mesh. As long as the status knows of none, it
// is this node, and how to get others.
type peersPane struct {
	versioned
	m *model
}

func (p *peersPane) name() string              { return "Peers" }
func (p *peersPane) grid() grid                { return nil }
func (p *peersPane) bind(m *model)             { p.m = m }
func (p *peersPane) refresh(*model)            { p.touch() }
func (p *peersPane) turn(*model)               {}
func (p *peersPane) badge(*model) string       { return "" }
func (p *peersPane) title(*model) string       { return "no mesh" }
func (p *peersPane) foot(*model) string        { return "" }
func (p *peersPane) keys() []binding           { return nil }
func (p *peersPane) details() (string, []fact) { return "", nil }

func (p *peersPane) draw(m *model, c *canvas, _ bool) {
	n := count(m.world.status)
	c.text(2, 0, fmt.Sprintf("%-14s %-8s %-6s %s", "NODE", "STATE", "UP", "QUEUE"), is(themes.TextDim))
	x := c.text(2, 1, fmt.Sprintf("%-14s ", middle(m.instance(), 14, m.theme.Glyphs.Ellipsis)), is(themes.Text))
	x = c.text(x, 1, fmt.Sprintf("%-8s ", "+ self"), is(themes.StateUp))
	c.text(x, 1, fmt.Sprintf("%-6s %d", fmt.Sprintf("%d/%d", n.up, n.backends), n.waiting), is(themes.Text))
	y := 3
	for _, text := range []string{
		"This node is in no mesh.",
		"Nodes with the same mesh name find each other:",
		"[mesh]  name = \"office\"  in the configuration.",
		"Their states and acts then stand here.",
	} {
		for _, line := range wrap(text, c.w-3) {
			c.text(2, y, line, is(themes.TextDim))
			y++
		}
	}
}

func (p *peersPane) strip(_ *model, c *canvas) int {
	c.text(2, 0, "no mesh", is(themes.TextDim))
	return 1
}
