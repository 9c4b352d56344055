package plain

import (
	"strings"
	"testing"
)

func TestText(t *testing.T) {
	for s, want := range map[string]bool{
		"edge one": true, "Büro": true, strings.Repeat("x", MaxName): true,
		"": false, strings.Repeat("x", MaxName+1): false, "\x1b[2J": false, "a\nb": false, "\xff": false, "a\u202eb": false,
	} {
		if got := Name(s); got != want {
			t.Errorf("Name(%q) = %v", s, got)
		}
	}
	if ID("a b") || !ID("a-b") {
		t.Error("an id with a space is valid")
	}
	if got := Clean([]byte("no\x1b[2J\xff route")); got != "no?[2J? route" {
		t.Errorf("Clean gave %q", got)
	}
}
