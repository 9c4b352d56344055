package manual

import (
	"strings"
	"testing"

	"github.com/charmbracelet/x/ansi"
)

const text = `<!-- Generated. -->

# Title

A paragraph with ` + "`code`" + `, **bold** and [a link](other.md)
that goes on.

## ` + "`[table]`" + `

| Key | Type | Default | Meaning |
|---|---|---|---|
| ` + "`a`" + ` | word: x\|y | ` + "`\"x\"`" + ` | What it is. |

| Kind | When |
|---|---|
| ` + "`up`" + ` | It is up, and this sentence is longer than the terminal is wide. |

` + "```sh\ntcpctl docs *.*\n```\n"

func TestRender(t *testing.T) {
	want := ` Title 

A paragraph with code, bold and a link
that goes on.

[table]

  a
      What it is.
      type: word: x|y  default: "x"

  up  It is up, and this sentence is
      longer than the terminal is wide.

    tcpctl docs *.*

`
	if got := ansi.Strip(Render(text, 40)); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestNoLineIsWiderThanTheTerminal(t *testing.T) {
	for _, line := range strings.Split(Render(text, 40), "\n") {
		if ansi.StringWidth(line) > 40 {
			t.Errorf("%q has %d columns", line, ansi.StringWidth(line))
		}
	}
}

func TestAFlagStaysInOneLine(t *testing.T) {
	got := ansi.Strip(Render("A command that hangs is overdue after `--max`: end it.\n", 40))
	if want := "A command that hangs is overdue after\n--max: end it.\n\n"; got != want {
		t.Errorf("got\n%s", got)
	}
}
