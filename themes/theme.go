// Package themes knows the console's colours by meaning, not by widget: a
// theme is a TOML file with a palette (values), roles (what a colour says) and
// a set of glyphs. Six are embedded; a user's own, in a folder of theirs, come
// before them.
//
//	t, err := themes.Load("dark", userDir)
//	if err != nil {
//		return err // file, line, and the nearest name that there is
//	}
//	style := t.Style(themes.StateDown)
package themes

// Role is what a colour says.
type Role uint8

// The roles. Files write them in lower case with underscores: state_up.
const (
	Text Role = iota
	TextDim
	Surface // behind everything; its bg is the screen's
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
	Op // what an operator did
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

// NumRoles is how many roles there are.
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

// Style is how a role looks. Zero is the terminal's own colours.
type Style struct {
	FG, BG                        Color
	Bold, Dim, Underline, Reverse bool
}

// plain is a style's attributes without its colours.
func (s Style) plain() Style {
	s.FG, s.BG = Color{}, Color{}
	return s
}

// Theme is one look, complete: what a file leaves out, its parent says.
type Theme struct {
	Name   string
	About  string   // one line for the picker
	Files  []string // the user's files it was made from, its own first; none when embedded
	Glyphs Glyphs

	styles [roleCount]Style
	named  [roleCount]bool // said by the file or its parents
}

// Style is how a role looks in this theme.
func (t *Theme) Style(r Role) Style { return t.styles[r] }
