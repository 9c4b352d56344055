package tui

import (
	"context"
	"time"

	tea "github.com/charmbracelet/bubbletea"
	"github.com/muesli/termenv"

	"github.com/tcpctl/tcpctl/proxy/api"
	"github.com/tcpctl/tcpctl/themes"
	"github.com/tcpctl/tcpctl/tui/internal/screen"
)

// model is the console: what it shows, and what keys do. It asks the engine
// in commands only, and never waits.
type model struct {
	cfg   Config
	ctx   context.Context
	clock func() time.Time
	zone  *time.Location

	*place        // what is looked at now
	home   *place // the console's own engine
	focus  int
	zoom   bool

	theme      *themes.Theme
	palette    *screen.Palette
	profile    termenv.Profile
	themeStamp string // of its files, when it was read
	ascii      bool
	plain      bool

	over    []overlay      // what is before the panes; the last has the keys
	frozen  *screen.Canvas // the panes while a confirmation is open
	message message
	typed   typed // the command line's history

	blurred bool
	stale   bool
	second  int64 // the last that was drawn, of STALE's count

	w, h    int
	version uint64 // changes when there is something to draw
	drawn   uint64
	last    string
	lastBig *screen.Canvas

	out     func(string) error // writes to the terminal beside the renderer
	outcome Outcome
	crash   error
}

// newModel makes a console that knows nothing yet.
func newModel(ctx context.Context, cfg Config) (*model, error) {
	m := &model{
		cfg: cfg, ctx: ctx, clock: time.Now, zone: time.Local,
		theme: cfg.Theme, profile: termenv.TrueColor, version: 1,
	}
	if m.theme == nil {
		t, err := themes.Load("", "")
		if err != nil {
			return nil, err
		}
		m.theme = t
	}
	m.setTheme(m.theme)
	var err error
	if m.place, err = m.newPlace("", cfg.Source); err != nil {
		return nil, err
	}
	m.home = m.place
	m.typed.load(cfg.History)
	return m, nil
}

func (m *model) Init() tea.Cmd { return m.tick() }

// Update never blocks. A panic in it ends the console, not the process.
func (m *model) Update(msg tea.Msg) (_ tea.Model, cmd tea.Cmd) {
	defer func() {
		if r := recover(); r != nil {
			m.crash = panicked(r)
			cmd = tea.Quit
		}
	}()
	if m.crash != nil {
		return m, tea.Quit
	}
	switch msg := msg.(type) {
	case tea.WindowSizeMsg:
		m.w, m.h = msg.Width, msg.Height
		m.frozen = nil
		m.backendsPane().refresh(m)
		m.changed()
	case tea.FocusMsg:
		m.blurred = false
	case tea.BlurMsg:
		m.blurred = true
	case tea.KeyMsg:
		return m, m.burst(msg)
	case tickMsg:
		return m, m.onTick()
	case crashMsg:
		m.crash = msg.err
		return m, tea.Quit
	case actMsg:
		return m, m.onAct(msg)
	case themeMsg:
		m.onTheme(msg)
	case themeListMsg:
		m.onThemeList(msg)
	case fetched:
		return m, m.onFetched(msg)
	}
	return m, nil
}

// burst takes letters apart that came in one read, as they do over a slow
// line. Those after one that opened a question are dropped: nobody can have
// read it when they were pressed.
func (m *model) burst(k tea.KeyMsg) tea.Cmd {
	if k.Type != tea.KeyRunes || k.Paste || k.Alt || len(k.Runes) < 2 {
		return m.key(k)
	}
	var cmds []tea.Cmd
	for _, r := range k.Runes {
		before := m.asking()
		one := tea.KeyMsg{Type: tea.KeyRunes, Runes: []rune{r}}
		if r == ' ' {
			one.Type = tea.KeySpace
		}
		cmds = append(cmds, m.key(one))
		if m.asking() && !before {
			break
		}
	}
	return tea.Batch(cmds...)
}

// asking reports whether a question is open.
func (m *model) asking() bool {
	o, ok := m.overlay().(interface{ freezes() bool })
	return ok && o.freezes()
}

// key goes to what is before the panes, then to the pane, then to all.
func (m *model) key(k tea.KeyMsg) tea.Cmd {
	m.changed()
	if o := m.overlay(); o != nil {
		return o.key(m, k)
	}
	if k.Paste {
		return nil // a paste is no row of keys
	}
	b := m.keys.find(m.pane().name(), k.String())
	if b == nil {
		return nil
	}
	if why := b.why(m); why != "" {
		m.say(api.AsError(refusal(b.help+": "+why)), "")
		return nil
	}
	return b.run(m)
}

func (m *model) pane() pane { return m.panes[m.focus] }

func (m *model) overlay() overlay {
	if n := len(m.over); n > 0 {
		return m.over[n-1]
	}
	return nil
}

func (m *model) push(o overlay) { m.over = append(m.over, o) }

// pop closes what is before the panes.
func (m *model) pop() {
	if n := len(m.over); n > 0 {
		m.over = m.over[:n-1]
	}
	m.frozen = nil
}

// changed says that there is something else to draw.
func (m *model) changed() { m.version++ }

func (m *model) setTheme(t *themes.Theme) {
	if m.ascii {
		t = t.WithASCII()
	}
	m.theme, m.palette, m.themeStamp = t, screen.NewPalette(t, m.profile), ""
	m.palette.Plain = m.plain
	m.changed()
}

func (m *model) focusOn(i int) tea.Cmd {
	m.focus = i
	return m.poll()
}

// choosePane goes to a pane; there already, it goes to its next tab.
func (m *model) choosePane(i int) tea.Cmd {
	if m.focus == i {
		m.pane().turn(m)
	}
	return m.focusOn(i)
}

func (m *model) toggleZoom() tea.Cmd {
	m.zoom = !m.zoom
	return m.poll()
}

func (m *model) redraw() tea.Cmd {
	m.lastBig, m.last, m.drawn = nil, "", 0
	for i := range m.shown {
		m.shown[i] = picture{}
	}
	return tea.ClearScreen
}

// setView narrows the panes to one service; "" is all of them.
func (m *model) setView(service string) {
	m.view = service
	for _, p := range m.panes {
		p.refresh(m)
	}
	m.changed()
}
