package tui

import (
	"maps"
	"slices"

	tea "github.com/charmbracelet/bubbletea"

	"github.com/tcpctl/tcpctl/themes"
)

// Kept is how an operator left a console: what the next one begins with. Its zero
// value is a console that was never left.
type Kept struct {
	Theme string              `json:"theme,omitempty"` // that was chosen; "" is the configured one
	View  string              `json:"view,omitempty"`  // the service that is shown; "" is all
	Zoom  bool                `json:"zoom,omitempty"`
	Panes map[string]KeptPane `json:"panes,omitempty"` // by the name of the pane
}

// KeptPane is how the rows of one pane are shown.
type KeptPane struct {
	Sort   int    `json:"sort,omitempty"` // the column, from 1; 0 is the usual order
	Desc   bool   `json:"desc,omitempty"`
	Filter string `json:"filter,omitempty"`
}

func (k *Kept) equal(o *Kept) bool {
	return k.Theme == o.Theme && k.View == o.View && k.Zoom == o.Zoom && maps.Equal(k.Panes, o.Panes)
}

// kept is how the console of the own engine looks now.
func (m *model) kept() Kept {
	k := Kept{Theme: m.chosenTheme, View: m.home.view, Zoom: m.zoom, Panes: map[string]KeptPane{}}
	for _, p := range m.home.panes {
		g := p.grid()
		if g == nil {
			continue
		}
		_, by, desc := g.Sorts()
		if one := (KeptPane{by, desc, g.Filter()}); one != (KeptPane{}) {
			k.Panes[p.name()] = one
		}
	}
	return k
}

// restore makes the console look as it was left. A theme that is gone, or a column, is
// passed over.
func (m *model) restore(k Kept) {
	m.view, m.zoom = k.View, k.Zoom
	for _, p := range m.home.panes {
		if one, ok := k.Panes[p.name()]; ok && p.grid() != nil {
			p.grid().SetSort(one.Sort, one.Desc)
			p.grid().SetFilter(one.Filter)
		}
	}
	if t, err := themes.Load(k.Theme, m.cfg.ThemeDir); err == nil && k.Theme != "" {
		m.setTheme(t)
		m.chosenTheme = k.Theme
	}
}

// keep hands on how the console looks when that has changed; beside the console,
// since a disk may be slow.
func (m *model) keep() tea.Cmd {
	if m.cfg.Keep == nil {
		return nil
	}
	now := m.kept()
	if now.equal(&m.saved) {
		return nil
	}
	m.saved = now
	keep := m.cfg.Keep
	return guard(func() tea.Msg {
		keep(now)
		return nil
	})
}

// keepLast keeps what has changed since. The console has ended.
func (m *model) keepLast() {
	if keep := m.keep(); keep != nil {
		keep()
	}
}

// choose notes the theme that the operator has chosen.
func (m *model) choose(t *themes.Theme) {
	m.chosenTheme = t.Name
	if configured := m.cfg.Theme; configured != nil && configured.Name == t.Name || configured == nil && t.Name == "default" {
		m.chosenTheme = ""
	}
}

// forgetView shows all services where the kept one is no longer there.
func (m *model) forgetView() {
	if m.view != "" && !slices.Contains(m.stats.serviceNames(), m.view) {
		m.view = ""
	}
}
