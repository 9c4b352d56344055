package tui

import (
	"strings"
	"testing"
)

func TestFilterLanguage(t *testing.T) {
	c := newConsole(t, edge(), 140, 45)
	for filter, want := range map[string]string{
		"pg":               "pg-a pg-b pg-c pg-d",
		"pg !down":         "pg-a pg-b pg-c",
		"state:down":       "pg-d",
		"act>100":          "pg-a",
		"act>=38 act<400":  "pg-b",
		"~pga":             "pg-a",
		"!~pg":             "soffice",
		"10.0.0.12:5432":   "pg-b",
		":8100":            "soffice",
		"STATE:up":         "pg-a soffice",
		"act>0.4k":         "pg-a",
		"since>1h state:+": "pg-a soffice",
		"office":           "soffice",
		"nothing":          "",
		"act>":             "pg-a pg-b pg-c pg-d soffice",
	} {
		p := c.backends
		p.table.SetFilter(filter)
		var names []string
		for i := range p.table.Len() {
			if r := p.table.Row(i); r.backend != nil {
				names = append(names, r.backend.Name)
			}
		}
		if filter == "act>" {
			continue // incomplete input: it must only not panic
		}
		if got := strings.Join(names, " "); got != want {
			t.Errorf("%q shows %q, not %q", filter, got, want)
		}
	}
}
