package tui

import (
	"context"
	"strings"
	"time"

	tea "github.com/charmbracelet/bubbletea"
	"github.com/muesli/termenv"

	"github.com/tcpctl/tcpctl/proxy/api"
	"github.com/tcpctl/tcpctl/themes"
	"github.com/tcpctl/tcpctl/tui/internal/screen"
)

// model is the console: the workspace that is shown, the overlays on its panes, and the screen as
// last drawn. It asks the engine only in commands, so it never blocks.
type model struct {
	ctx        context.Context
	*workspace            // what is shown now
	home       *workspace // the console's own engine

	colours colours
	keeper  keeper
	over    []overlay      // the last has the focus
	frozen  *screen.Canvas // the panes while a confirmation is open
	message message
	lines   lineHistory // the command line's history

	mouse   bool // the console handles wheel and clicks
	blurred bool
	pressed time.Time // time of the last key
	stale   bool
	silent  bool  // the engine does not answer, and a message has said why
	second  int64 // of STALE's age, as last drawn

	version uint64 // changes when there is something new to draw besides message and colours
	drawn   look   // as it was drawn last
	last    string
	canvas  *screen.Canvas
	painter *painter // nil: View returns the screen as text

	out     func(string) error // writes to the terminal, bypassing the renderer
	outcome Outcome
	crash   error
}

// look is all that the drawn screen depends on: while it is the same, nothing is drawn.
type look struct {
	version uint64
	message message
	palette *screen.Palette
}

// newModel makes a console that has not polled yet.
func newModel(ctx context.Context, cfg Config) (*model, error) {
	m := &model{ctx: ctx, version: 1}
	theme := cfg.Theme
	if theme == nil {
		t, err := themes.Load("", "")
		if err != nil {
			return nil, err
		}
		theme = t
	}
	var err error
	f := frame{display: &display{cfg: cfg, clock: time.Now, zone: time.Local}}
	if m.workspace, err = newWorkspace(ctx, f, cfg.Source, nil); err != nil {
		return nil, err
	}
	m.home = m.workspace
	m.colours = colours{display: f.display, profile: termenv.TrueColor}
	m.colours.show(theme)
	m.keeper = keeper{home: m.home, colours: &m.colours}
	m.keeper.restore(cfg.Kept)
	m.lines.load(cfg.History)
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
		m.width, m.height = msg.Width, msg.Height
		m.frozen = nil
		m.backends.refresh(&m.frame)
		m.changed()
	case tea.FocusMsg:
		m.blurred = false
	case tea.BlurMsg:
		m.blurred = true
	case tea.KeyMsg:
		return m, m.burst(msg)
	case tea.MouseMsg:
		return m, m.onMouse(msg)
	case tickMsg:
		return m, m.onTick()
	case crashMsg:
		m.crash = msg.err
		return m, tea.Quit
	case actMsg:
		return m, m.onAct(msg)
	case reportMsg:
		m.onReport(msg)
	case themeMsg:
		m.colours.take(msg, &m.message)
	case themeListMsg:
		m.onThemeList(msg)
	case fetched:
		return m, m.onFetched(msg)
	case intent: // with what was read from the history
		return m, m.carryOut(msg)
	}
	return m, nil
}

// View runs after every message; what has not changed is not drawn again. A painter
// has the picture from here; without one, it is returned as text.
func (m *model) View() (s string) {
	if m.width <= 0 || m.height <= 0 || m.crash != nil {
		return ""
	}
	now := look{m.version, m.message, m.colours.palette}
	if m.drawn == now {
		return m.last
	}
	defer func() {
		if r := recover(); r != nil {
			m.crash = panicked(r) // the next Update ends the console
			s = ""
		}
	}()
	all := m.canvas == nil
	m.canvas, m.drawn = m.paint(), now
	if m.painter != nil {
		m.painter.show(painting{m.canvas, now.palette, all})
		return ""
	}
	m.last = m.canvas.Styled(now.palette)
	return m.last
}

// burst splits letters that came in one read, as they do over a slow line. Those after one that
// opened a question are dropped: they were pressed before anyone could read it.
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

// key passes a key to the top overlay or, without one, to its binding in the focused pane.
func (m *model) key(k tea.KeyMsg) tea.Cmd {
	m.changed()
	m.pressed = m.clock()
	if o := m.overlay(); o != nil {
		return m.carryOut(o.key(&m.frame, k))
	}
	if k.Paste {
		return nil // a paste is not a series of keys
	}
	if m.past != nil && k.String() == " " {
		return m.past.togglePlay()
	}
	b := m.keys.find(m.pane().name(), k)
	if b == nil {
		return nil
	}
	if why := b.disabled(&m.frame); why != "" {
		m.message.say(api.AsError(refusal(strings.ReplaceAll(b.name, "_", " ") + ": " + why)))
		return nil
	}
	return m.carryOut(b.run(&m.frame))
}

func (m *model) overlay() overlay {
	if n := len(m.over); n > 0 {
		return m.over[n-1]
	}
	return nil
}

// asking reports whether a question is open.
func (m *model) asking() bool {
	o, ok := m.overlay().(interface{ freezes() bool })
	return ok && o.freezes()
}

// pop closes the top overlay.
func (m *model) pop() {
	if n := len(m.over); n > 0 {
		m.over = m.over[:n-1]
	}
	m.frozen, m.watch.active = nil, false
}

func (m *model) changed() { m.version++ }

// refresh makes all panes read the frame again.
func (m *model) refresh() {
	m.workspace.refresh()
	m.changed()
}

func (m *model) refreshPane(pane int) {
	m.panes[pane].refresh(&m.frame)
	m.changed()
}

var _ tea.Model = (*model)(nil)
