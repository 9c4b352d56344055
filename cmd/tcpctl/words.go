package main

import (
	"errors"
	"strings"
)

// argv splits a command into its words, as a shell does with plain words,
// quotes and backslashes; nothing else of a shell is there.
func argv(command string) ([]string, error) {
	var all []string
	var word strings.Builder
	var quote rune // inside which one
	begun, escaped := false, false
	for _, r := range command {
		switch {
		case escaped:
			word.WriteRune(r)
			escaped = false
		case r == '\\' && quote != '\'':
			escaped, begun = true, true
		case quote != 0 && r == quote:
			quote = 0
		case quote != 0:
			word.WriteRune(r)
		case r == '\'' || r == '"':
			quote, begun = r, true
		case r == ' ' || r == '\t' || r == '\n':
			if begun {
				all = append(all, word.String())
				word.Reset()
				begun = false
			}
		default:
			word.WriteRune(r)
			begun = true
		}
	}
	switch {
	case quote != 0:
		return nil, errors.New("a quote is not closed")
	case escaped:
		return nil, errors.New("it ends with a backslash")
	case begun:
		all = append(all, word.String())
	}
	return all, nil
}
