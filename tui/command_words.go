package tui

import (
	"strings"

	"github.com/google/shlex"
)

// splitWords splits a line as a shell would: spaces, '…' and "…", \x. Only a #
// begins no comment: people type it before numbers of tickets.
func splitWords(line string) ([]string, error) {
	// shlex has comments always, so it must not see the sign. A line that is
	// typed has no NUL.
	words, err := shlex.Split(strings.ReplaceAll(line, "#", "\x00"))
	if err != nil { // it knows two, both of a line that goes on
		return nil, refusal("a quote is not closed")
	}
	for i := range words {
		words[i] = strings.ReplaceAll(words[i], "\x00", "#")
	}
	return words, nil
}
