package tui

import (
	"maps"

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

// keeper saves how the console of the own engine looks, for the next console.
type keeper struct {
	home    *workspace
	colours *colours
	saved   Kept // as last saved
}

// now returns how the console looks.
func (r *keeper) now() Kept {
	k := Kept{Theme: r.colours.chosen, View: r.home.view, Zoom: r.home.zoom, Panes: map[string]KeptPane{}}
	for _, p := range r.home.panes {
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

// restore makes the console look as it was left. A theme or column that no longer exists is
// ignored.
func (r *keeper) restore(k Kept) {
	r.home.view, r.home.zoom = k.View, k.Zoom
	for _, p := range r.home.panes {
		if one, ok := k.Panes[p.name()]; ok && p.grid() != nil {
			p.grid().SetSort(one.Sort, one.Desc)
			p.grid().SetFilter(one.Filter)
		}
	}
	if t, err := themes.Load(k.Theme, r.home.cfg.ThemeDir); err == nil && k.Theme != "" {
		r.colours.show(t)
		r.colours.chosen = k.Theme
	}
	r.saved = r.now()
}

// keep saves how the console looks, if that has changed, in the background, since a disk may be
// slow.
func (r *keeper) keep() tea.Cmd {
	keep := r.home.cfg.Keep
	if keep == nil {
		return nil
	}
	now := r.now()
	if now.equal(&r.saved) {
		return nil
	}
	r.saved = now
	return guard(func() tea.Msg {
		keep(now)
		return nil
	})
}

// keepLast saves the last changes when the console has ended.
func (r *keeper) keepLast() {
	if keep := r.keep(); keep != nil {
		keep()
	}
}
