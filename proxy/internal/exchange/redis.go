package exchange

import (
	"bytes"
	"strconv"
	"strings"
)

// redis reads RESP, versions 2 and 3. A session is idle when each of its commands
// has a reply, and it has neither subscribed nor opened a transaction.
// https://redis.io/docs/latest/develop/reference/protocol-spec/
type redis struct {
	begun   bool
	broken  string
	request respReader // reads commands
	words   []string   // the first two words of the current command
	reply   respReader

	owed  int64 // commands without a reply
	multi bool  // between MULTI and EXEC
	watch bool  // WATCH is in force
	never bool  // the session must not be ended
}

func (r *redis) unreadable() string { return r.broken }

func (r *redis) idle() bool {
	return r.owed == 0 && !r.multi && !r.watch && !r.never && r.request.between() && r.reply.between()
}

func (r *redis) client(b []byte) {
	if !r.begun && len(b) > 0 {
		if r.begun = true; b[0] == tlsHandshake {
			r.broken = encrypted
		}
		r.request.commands = true
	}
	for len(b) > 0 && r.broken == "" {
		b = r.request.next(b, &r.broken, r.word, r.command)
	}
}

func (r *redis) backend(b []byte) {
	for len(b) > 0 && r.broken == "" {
		b = r.reply.next(b, &r.broken, nil, r.replied)
	}
}

// word takes the next argument of a command; its beginning is enough.
func (r *redis) word(text []byte) {
	if len(r.words) < 2 {
		r.words = append(r.words, strings.ToUpper(string(text)))
	}
}

// command is called when a command is complete.
func (r *redis) command(byte) {
	words := r.words
	r.words = nil
	if len(words) == 0 {
		return // an empty line has no reply
	}
	r.owed++
	second := ""
	if len(words) > 1 {
		second = words[1]
	}
	switch words[0] {
	case "MULTI":
		r.multi = true
	case "EXEC", "DISCARD", "RESET":
		r.multi, r.watch = false, false
	case "WATCH":
		r.watch = true
	case "UNWATCH":
		r.watch = r.multi // in a transaction it is only queued
	case "SUBSCRIBE", "PSUBSCRIBE", "SSUBSCRIBE", "MONITOR", "SYNC", "PSYNC", "REPLCONF", "QUIT":
		r.never = true
	case "CLIENT":
		r.never = r.never || second == "REPLY" // its commands have no replies from now on
	}
}

// replied is called when a reply is complete.
func (r *redis) replied(kind byte) {
	if kind == '>' {
		return // pushed, not a reply
	}
	if r.owed--; r.owed < 0 {
		r.owed, r.never = 0, true
	}
}

const (
	respMostLine  = 64 << 10 // of an inline command, as in Redis
	respMostDepth = 64
	respKeep      = 32 // kept of a line or an argument: enough for a name or a number
)

// respReader splits one direction into values.
type respReader struct {
	commands bool // of a client: arrays of strings, and lines
	line     []byte
	lineSize int
	inLine   bool
	bulk     int64 // bytes of a string that are still to come, with its CRLF
	bulkSize int64
	bulkText []byte
	nested   []int64 // values still to come of each aggregate, the innermost last
	kind     byte    // of the whole value
	attached bool    // an attribute was read; its value follows
}

// between reports whether no value has begun.
func (r *respReader) between() bool {
	return !r.inLine && r.bulk == 0 && len(r.nested) == 0 && !r.attached
}

// next takes the bytes of one line or string, or of part of one.
func (r *respReader) next(b []byte, broken *string, word func([]byte), whole func(kind byte)) (rest []byte) {
	if r.bulk > 0 {
		n := min(int64(len(b)), r.bulk)
		if text := r.bulkSize - int64(len(r.bulkText)); text > 0 && len(r.bulkText) < respKeep {
			r.bulkText = append(r.bulkText, b[:min(n, text, int64(respKeep-len(r.bulkText)))]...)
		}
		if r.bulk -= n; r.bulk == 0 {
			if word != nil {
				word(r.bulkText)
			}
			r.ended(whole)
		}
		return b[n:]
	}
	end := bytes.IndexByte(b, '\n')
	part := b
	if end >= 0 {
		part, rest = b[:end], b[end+1:]
	}
	r.inLine = true
	r.line = append(r.line, part[:min(len(part), max(respKeep*2-len(r.line), 0))]...)
	if r.lineSize += len(part); r.lineSize > respMostLine && r.commands {
		*broken = foreign
	}
	if end < 0 {
		return nil
	}
	line := bytes.TrimSuffix(r.line, []byte("\r"))
	r.line, r.lineSize, r.inLine = r.line[:0], 0, false
	r.take(line, broken, word, whole)
	return rest
}

// take takes a whole line.
func (r *respReader) take(line []byte, broken *string, word func([]byte), whole func(kind byte)) {
	kind := byte(0)
	if len(line) > 0 {
		kind = line[0]
	}
	if r.commands && len(r.nested) == 0 && kind != '*' { // an inline command
		for _, w := range bytes.Fields(line) {
			word(w)
		}
		whole(0)
		return
	}
	n, ok := int64(0), true
	if strings.IndexByte("*$%~>|=!", kind) >= 0 {
		var err error
		n, err = strconv.ParseInt(string(line[1:]), 10, 32)
		ok = err == nil && n >= -1
	}
	if len(r.nested) == 0 && !r.attached {
		r.kind = kind
	}
	switch {
	case !ok, r.commands && kind != '*' && kind != '$', r.commands && kind == '*' && len(r.nested) > 0:
		*broken = foreign
	case kind == '$', kind == '=', kind == '!':
		if n < 0 {
			r.ended(whole)
			return
		}
		r.bulk, r.bulkSize, r.bulkText = n+2, n, r.bulkText[:0]
	case kind == '*', kind == '~', kind == '>':
		r.begin(n, kind, broken, whole)
	case kind == '%', kind == '|':
		if kind == '|' && len(r.nested) == 0 {
			r.attached = true
		}
		r.begin(2*n, kind, broken, whole)
	case strings.IndexByte("+-:_#,(", kind) >= 0:
		r.ended(whole)
	default:
		*broken = foreign
	}
}

// begin begins an aggregate of n values.
func (r *respReader) begin(n int64, kind byte, broken *string, whole func(kind byte)) {
	if n <= 0 {
		r.ended(whole)
		return
	}
	if kind == '|' && len(r.nested) > 0 {
		*broken = foreign // an attribute within a value: hardly ever sent
		return
	}
	if r.nested = append(r.nested, n); len(r.nested) > respMostDepth {
		*broken = foreign
	}
}

// ended ends a value, and the aggregates whose last value it was.
func (r *respReader) ended(whole func(kind byte)) {
	for len(r.nested) > 0 {
		last := len(r.nested) - 1
		if r.nested[last]--; r.nested[last] > 0 {
			return
		}
		r.nested = r.nested[:last]
	}
	if r.attached {
		r.attached = false
		return
	}
	whole(r.kind)
}
