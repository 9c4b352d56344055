// Package manual shows the references on a terminal. They use the small subset of Markdown that
// internal/reference generates: headings, paragraphs, lists, code blocks, tables, and inline code,
// bold and links. A library for all of Markdown (glamour 0.10) adds 6.2 MB to a static binary of
// 26.9 MB.
package manual

import (
	"regexp"
	"slices"
	"strings"

	"github.com/charmbracelet/lipgloss"
	"github.com/charmbracelet/x/ansi"
)

var (
	titleStyle   = lipgloss.NewStyle().Bold(true).Reverse(true).Padding(0, 1)
	headingStyle = lipgloss.NewStyle().Bold(true).Foreground(lipgloss.ANSIColor(6))
	codeStyle    = lipgloss.NewStyle().Bold(true)
	boldStyle    = lipgloss.NewStyle().Bold(true)
	linkStyle    = lipgloss.NewStyle().Foreground(lipgloss.ANSIColor(4))
	dimStyle     = lipgloss.NewStyle().Faint(true)
)

// Render lays a text out for a terminal of so many columns, with its colours.
func Render(text string, width int) string {
	r := &renderer{width: width}
	var paragraph []string
	flush := func() {
		if len(paragraph) > 0 {
			r.wrapped(inline(strings.Join(paragraph, " ")), "", "")
			r.line("")
			paragraph = nil
		}
	}
	block := false
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\n")
		if !strings.HasPrefix(line, "|") {
			r.endTable()
		}
		switch {
		case strings.HasPrefix(line, "```"):
			flush()
			if block = !block; !block {
				r.line("")
			}
		case block:
			r.line("    " + codeStyle.Render(line))
		case strings.HasPrefix(line, "<!--"):
		case strings.HasPrefix(line, "# "):
			r.line(titleStyle.Render(line[2:]))
			r.line("")
		case strings.HasPrefix(line, "#"):
			flush()
			r.line(headingStyle.Render(strings.ReplaceAll(strings.TrimLeft(line, "# "), "`", "")))
			r.line("")
		case strings.HasPrefix(line, "|"):
			flush()
			r.row(line)
		case strings.HasPrefix(line, "- "):
			flush()
			r.wrapped(inline(line[2:]), "  • ", "    ")
		case line == "":
			flush()
		default:
			paragraph = append(paragraph, line)
		}
	}
	flush()
	r.endTable()
	return r.out.String()
}

type renderer struct {
	out   strings.Builder
	width int
	heads []string   // of the current table
	rows  [][]string // likewise
}

func (r *renderer) line(s string) { r.out.WriteString(s + "\n") }

// hyphen does not allow a line break, unlike a hyphen-minus: --max would become - and -max.
const hyphen = "\u2011"

// wrapped writes a text whose first line begins with first, and the others with next.
func (r *renderer) wrapped(text, first, next string) {
	text = ansi.Wordwrap(strings.ReplaceAll(text, "-", hyphen), max(r.width-ansi.StringWidth(next), 20), "")
	for line := range strings.Lines(strings.ReplaceAll(text, hyphen, "-")) {
		r.line(first + strings.TrimRight(line, "\n"))
		first = next
	}
}

func (r *renderer) row(line string) {
	switch {
	case strings.HasPrefix(line, "|--"):
	case r.heads == nil:
		r.heads = cells(line)
	default:
		r.rows = append(r.rows, cells(line))
	}
}

// sentences are the heads of columns whose cells need no label.
var sentences = []string{"Meaning", "What", "What it does", "When", "Value"}

// endTable writes a table. One with two columns is shown as such; for others each row is a small
// paragraph, since they are too wide for a terminal.
func (r *renderer) endTable() {
	if len(r.rows) == 0 {
		return
	}
	widest := 0
	for _, row := range r.rows {
		widest = max(widest, ansi.StringWidth(inline(row[0])))
	}
	for _, row := range r.rows {
		name := codeStyle.Render(ansi.Strip(inline(row[0])))
		if len(row) == 2 && widest <= r.width/3 {
			r.wrapped(inline(row[1]), "  "+name+strings.Repeat(" ", widest-ansi.StringWidth(name)+2), strings.Repeat(" ", widest+4))
			continue
		}
		r.line("  " + name)
		var facts []string
		for i, cell := range row[1:] {
			switch head := r.heads[min(i+1, len(r.heads)-1)]; {
			case cell == "":
			case slices.Contains(sentences, head):
				r.wrapped(inline(cell), "      ", "      ")
			default:
				facts = append(facts, dimStyle.Render(strings.ToLower(head)+":")+" "+inline(cell))
			}
		}
		if len(facts) > 0 {
			r.wrapped(strings.Join(facts, "  "), "      ", "      ")
		}
	}
	r.line("")
	r.heads, r.rows = nil, nil
}

// cells splits a row of a table.
func cells(line string) (all []string) {
	line = strings.ReplaceAll(strings.Trim(line, "| "), `\|`, "\x00")
	for cell := range strings.SplitSeq(line, "|") {
		all = append(all, strings.ReplaceAll(strings.TrimSpace(cell), "\x00", "|"))
	}
	return all
}

var marked = regexp.MustCompile("`[^`]+`" + `|\*\*[^*]+\*\*|\*[^*\s][^*]*\*|\[[^\]]+\]\([^)]*\)`)

// inline applies the styles of inline markup.
func inline(text string) string {
	return marked.ReplaceAllStringFunc(text, func(s string) string {
		switch {
		case s[0] == '`':
			return codeStyle.Render(strings.Trim(s, "`"))
		case s[0] == '*':
			return boldStyle.Render(strings.Trim(s, "*"))
		}
		label, _, _ := strings.Cut(s[1:], "](")
		return linkStyle.Render(label)
	})
}
