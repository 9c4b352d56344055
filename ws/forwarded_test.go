package ws_test

import (
	"net/http"
	"slices"
	"testing"

	"github.com/tcpctl/tcpctl/ws"
)

var forwardeds = []struct {
	lines []string
	want  []ws.Forwarded
}{
	{nil, nil},
	{[]string{"for=192.0.2.43"}, []ws.Forwarded{{For: "192.0.2.43"}}},
	{[]string{`For="[2001:db8:cafe::17]:4711"`}, []ws.Forwarded{{For: "[2001:db8:cafe::17]:4711"}}},
	{[]string{"for=192.0.2.60;proto=http;by=203.0.113.43;Host=a.test"}, []ws.Forwarded{{For: "192.0.2.60", Host: "a.test"}}},
	{[]string{"for=192.0.2.43, for=198.51.100.17", "for=unknown"}, []ws.Forwarded{{For: "192.0.2.43"}, {For: "198.51.100.17"}, {For: "unknown"}}},
	{[]string{"for=6.6.6.6, nonsense, for=10.0.0.1"}, []ws.Forwarded{{For: "10.0.0.1"}}},
	{[]string{`for="6.6.6.6, for=10.0.0.1`}, []ws.Forwarded{{For: "10.0.0.1"}}},
	{[]string{`host="a\"b"`}, nil},
	{[]string{"for=6.6.6.6;FOR=7.7.7.7, for=10.0.0.1"}, []ws.Forwarded{{For: "10.0.0.1"}}},
	{[]string{"for=10.0.0.1;host=a.test;host=b.test"}, nil},
}

func TestParseForwarded(t *testing.T) {
	for _, tt := range forwardeds {
		if got := ws.ParseForwarded(http.Header{"Forwarded": tt.lines}); !slices.Equal(got, tt.want) {
			t.Errorf("%q: %q, want %q", tt.lines, got, tt.want)
		}
	}
}

// Whatever a client sends, the element that a proxy appends is parsed.
func FuzzParseForwarded(f *testing.F) {
	for _, tt := range forwardeds {
		for _, line := range tt.lines {
			f.Add(line)
		}
	}
	f.Fuzz(func(t *testing.T, line string) {
		all := ws.ParseForwarded(http.Header{"Forwarded": {line + ", for=192.0.2.1;host=a.test"}})
		if n := len(all); n == 0 || all[n-1] != (ws.Forwarded{For: "192.0.2.1", Host: "a.test"}) {
			t.Fatalf("%q gives %q", line, all)
		}
	})
}
