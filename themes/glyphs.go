package themes

// Glyphs are the characters that the console draws with. The signs of states are not
// among them: they are ASCII in every theme.
type Glyphs struct {
	ASCII    bool
	Graph    string  // braille, block or ascii
	Box      [6]rune // top left, top right, bottom left, bottom right, across, down
	BoxFocus [6]rune // the same of the pane with the focus
	Spark    []rune  // from nothing to full
	Ellipsis rune    // where a name was shortened
	Dot      rune    // between two facts
	Branch   rune    // before a row's second line
	Up, Down rune    // sorted upwards, downwards; more above, more below
	Ticks    [3]rune // the graph's axis: at a value, along it, in its corner
}

var unicodeGlyphs = Glyphs{
	Graph:    "braille",
	Box:      [6]rune{'╭', '╮', '╰', '╯', '─', '│'},
	BoxFocus: [6]rune{'┏', '┓', '┗', '┛', '━', '┃'},
	Spark:    []rune(" ▁▂▃▄▅▆▇█"),
	Ellipsis: '…', Dot: '·', Branch: '└', Up: '↑', Down: '↓',
	Ticks: [3]rune{'┤', '─', '┼'},
}

var asciiGlyphs = Glyphs{
	ASCII:    true,
	Graph:    "ascii",
	Box:      [6]rune{'+', '+', '+', '+', '-', '|'},
	BoxFocus: [6]rune{'#', '#', '#', '#', '=', '#'},
	Spark:    []rune(" _.:-=+*#"),
	Ellipsis: '~', Dot: '-', Branch: '\\', Up: '^', Down: 'v',
	Ticks: [3]rune{'|', '-', '+'},
}

// WithASCII returns a copy of the theme with glyphs that every terminal and font has.
func (t *Theme) WithASCII() *Theme {
	plain := *t
	plain.Glyphs = asciiGlyphs
	return &plain
}
