package importer

import (
	"errors"
	"fmt"
	"strings"
)

// directive is a directive of nginx.conf, with the block in its braces.
type directive struct {
	line   int
	words  []string
	block  []directive
	braces bool
}

func (d *directive) text() string { return strings.Join(d.words, " ") }

// count returns the number of directives, including those in the block.
func (d *directive) count() int {
	n := 1
	for i := range d.block {
		n += d.block[i].count()
	}
	return n
}

// maxDepth bounds how deep braces are nested.
const maxDepth = 64

// ngLexer splits nginx.conf into words and braces.
type ngLexer struct {
	text string
	at   int
	line int
}

// next returns a word, ";", "{" or "}"; ok is false at the end. plain is false for a quoted word,
// which is never one of the three.
func (l *ngLexer) next() (word string, plain, ok bool, err error) {
	l.skip()
	if l.at == len(l.text) {
		return "", false, false, nil
	}
	switch c := l.text[l.at]; c {
	case ';', '{', '}':
		l.at++
		return string(c), true, true, nil
	case '"', '\'':
		l.at++
		word, err := l.quoted(c)
		return word, false, err == nil, err
	}
	begin := l.at
	for l.at < len(l.text) && !strings.ContainsRune(" \t\r\n;{}", rune(l.text[l.at])) {
		switch {
		case l.text[l.at] == '\\' && l.at+1 < len(l.text):
			l.at++
		case l.text[l.at] == '$' && strings.HasPrefix(l.text[l.at:], "${"):
			if i := strings.IndexByte(l.text[l.at:], '}'); i > 0 {
				l.at += i
			}
		}
		l.at++
	}
	return l.text[begin:l.at], false, true, nil
}

// skip skips white space and comments.
func (l *ngLexer) skip() {
	for l.at < len(l.text) {
		switch l.text[l.at] {
		case '\n':
			l.line++
		case ' ', '\t', '\r':
		case '#':
			for l.at < len(l.text) && l.text[l.at] != '\n' {
				l.at++
			}
			continue
		default:
			return
		}
		l.at++
	}
}

func (l *ngLexer) quoted(quote byte) (string, error) {
	var b strings.Builder
	for ; l.at < len(l.text); l.at++ {
		switch c := l.text[l.at]; {
		case c == quote:
			l.at++
			return b.String(), nil
		case c == '\\' && l.at+1 < len(l.text):
			l.at++
			b.WriteByte(l.text[l.at])
		default:
			if c == '\n' {
				l.line++
			}
			b.WriteByte(c)
		}
	}
	return "", errQuote
}

var errBrace = errors.New("a brace has no counterpart")

// block reads directives up to the closing brace.
func (l *ngLexer) block(depth int) (all []directive, err error) {
	var d directive
	for {
		word, plain, ok, err := l.next()
		switch {
		case err != nil:
			return nil, err
		case !ok && (depth > 0 || len(d.words) > 0):
			return nil, errBrace
		case !ok:
			return all, nil
		case plain && word == "}":
			if depth == 0 || len(d.words) > 0 {
				return nil, errBrace
			}
			return all, nil
		case plain && word == ";":
			if len(d.words) > 0 {
				all = append(all, d)
			}
			d = directive{}
		case plain: // "{"
			if depth == maxDepth || len(d.words) == 0 {
				return nil, errBrace
			}
			if d.block, err = l.block(depth + 1); err != nil {
				return nil, err
			}
			d.braces = true
			all = append(all, d)
			d = directive{}
		default:
			if len(d.words) == 0 {
				d.line = l.line
			}
			d.words = append(d.words, word)
		}
	}
}

func parseNginx(source, text string) ([]directive, error) {
	l := &ngLexer{text: text, line: 1}
	all, err := l.block(0)
	if err != nil {
		return nil, fmt.Errorf("%s:%d: %w", source, l.line, err)
	}
	return all, nil
}
