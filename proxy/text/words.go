package text

import (
	"errors"
	"strings"

	"github.com/google/shlex"
)

// Words splits a line as a shell does: at spaces, with '…', "…" and \x. A # begins
// no comment: operators type it before the numbers of tickets.
func Words(line string) ([]string, error) {
	// shlex cannot turn comments off, so # is replaced. A line that an operator types
	// has no NUL.
	words, err := shlex.Split(strings.ReplaceAll(line, "#", "\x00"))
	switch {
	case err != nil && strings.HasSuffix(err.Error(), "escape character"):
		return nil, errors.New(`the line ends with a backslash; write \\ for one`)
	case err != nil:
		return nil, errors.New("a quote is not closed")
	}
	for i := range words {
		words[i] = strings.ReplaceAll(words[i], "\x00", "#")
	}
	return words, nil
}
