// Package themes has the colours of the console by meaning, not by widget: a
// theme is a TOML file with a palette (names for colours), roles (what a style is
// used for) and a set of glyphs. Six are embedded; those in a user's folder come
// before them.
//
//	t, err := themes.Load("dark", userDir)
//	if err != nil {
//		return err // with the file, the line and the most similar name
//	}
//	style := t.Style(themes.StateDown)
package themes

// A Role is what a style is used for.
type Role uint8

// The roles. Files write them in lower case with underscores: state_up.
const (
	Text Role = iota
	TextDim
	Surface // behind everything; its bg is that of the screen
	Title
	Header
	Border
	BorderFocus
	Cursor
	Marked
	Match
	Key
	KeyOff
	Prompt
	StateUp
	StateDrain
	StateMaint
	StateDown
	StateCheck
	StateError
	StateIdle
	OK
	Info
	Warn
	Error
	Stale
	Live
	ReadOnly
	Op // an operator's action
	Button
	SafeButton
	DangerButton
	GraphIn
	GraphOut
	GraphAxis
	GaugeLow
	GaugeMid
	GaugeHigh
	GaugeEmpty
	roleCount
)

// NumRoles is the number of roles.
const NumRoles = int(roleCount)

var roleNames = [roleCount]string{
	"text", "text_dim", "surface", "title", "header", "border", "border_focus",
	"cursor", "marked", "match", "key", "key_off", "prompt",
	"state_up", "state_drain", "state_maint", "state_down", "state_check", "state_error", "state_idle",
	"ok", "info", "warn", "error", "stale", "live", "readonly", "op",
	"button", "safe_button", "danger_button",
	"graph_in", "graph_out", "graph_axis", "gauge_low", "gauge_mid", "gauge_high", "gauge_empty",
}

func (r Role) String() string { return roleNames[r] }

// A Style is how a role looks. The zero value is the terminal's own colours.
type Style struct {
	FG, BG                        Color
	Bold, Dim, Underline, Reverse bool
}

// attributes returns the style without its colours.
func (s Style) attributes() Style {
	s.FG, s.BG = Color{}, Color{}
	return s
}

// A Theme is a complete set of styles and glyphs. It is not changed after Load, and may
// be used by any goroutine.
type Theme struct {
	Name   string
	About  string   // one line for a list
	Files  []string // the user's files that it was loaded from, its own first; none for an embedded theme
	Glyphs Glyphs

	styles  [roleCount]Style
	defined [roleCount]bool // defined by the file or its parents
}

// Style returns the style of a role in this theme.
func (t *Theme) Style(r Role) Style { return t.styles[r] }
