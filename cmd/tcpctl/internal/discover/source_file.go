package discover

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/fileerror"
	"github.com/tcpctl/tcpctl/proxy"
)

// fileSource is a file with a JSON list. It is read every second, so that a file renamed over it is
// noticed on any file system.
type fileSource struct{ path string }

func (f *fileSource) ask(context.Context, time.Duration) (answer, error) {
	text, err := fileerror.Read(f.path, maxBytes)
	if err != nil {
		return answer{}, err
	}
	found, err := parseList(text)
	if err != nil {
		return answer{}, fmt.Errorf("%s: %w", f.path, err)
	}
	return answer{backends: found, valid: time.Second}, nil
}

func (f *fileSource) close() {}

// listed is one element of the list in a file or printed by a program.
type listed struct {
	Name        string `json:"name"` // "": the address
	Addr        string `json:"addr"`
	Weight      *int   `json:"weight"` // share of new sessions; absent: 1
	Priority    int    `json:"priority"`
	MaxSessions int    `json:"max_sessions"`
	CheckPort   int    `json:"check_port"`
}

// UnmarshalJSON takes a plain string for an address, as the configuration does.
func (l *listed) UnmarshalJSON(text []byte) error {
	if len(text) > 0 && text[0] == '"' {
		return json.Unmarshal(text, &l.Addr)
	}
	type plain listed
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	return d.Decode((*plain)(l))
}

// errNoList means that there is no list at all, as in a file that is being written.
var errNoList = errors.New(`there is no JSON list in it; write [{"name": "a", "addr": "10.0.0.11:5432"}], or [] for none`)

// parseList parses a JSON list of addresses and tables.
func parseList(text []byte) ([]proxy.BackendConfig, error) {
	if len(bytes.TrimSpace(text)) == 0 {
		return nil, errNoList
	}
	var all *[]listed // nil after null, which is not a list
	d := json.NewDecoder(bytes.NewReader(text))
	if err := d.Decode(&all); err != nil {
		return nil, explainJSON(text, d, err)
	}
	if all == nil {
		return nil, errNoList
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, errors.New("there is more text behind the list")
	}
	var found []proxy.BackendConfig
	for i, l := range *all {
		b := proxy.BackendConfig{Name: l.Name, Addr: l.Addr, Weight: 1, Priority: l.Priority, MaxSessions: l.MaxSessions, CheckPort: l.CheckPort}
		if l.Weight != nil {
			b.Weight = *l.Weight
		}
		if b.Weight < 0 {
			return nil, fmt.Errorf("element %d: weight %d is below 0", i+1, b.Weight)
		}
		b.Weight = cmp.Or(b.Weight, -1) // none: 0 would become the default
		found = append(found, b)
	}
	return found, nil
}

// explainJSON says what is wrong with a list, and in which line.
func explainJSON(text []byte, d *json.Decoder, err error) error {
	offset := d.InputOffset()
	if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
		offset = syntax.Offset
	}
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return errors.New("the list does not end: it is cut off")
	}
	line := 1 + bytes.Count(text[:min(int(offset), len(text))], []byte("\n"))
	return fmt.Errorf("line %d: %s", line, strings.TrimPrefix(err.Error(), "json: "))
}
