package text

import "testing"

func TestNearest(t *testing.T) {
	names := []string{"drain", "ready", "maint", "db-front/pg-a", "db-front/pg-b", "ACT"}
	for name, want := range map[string]string{
		"drian": "drain", "dran": "drain", "reaady": "ready", "MAINT": "maint", "main": "maint", "db-front/pg-x": "db-front/pg-a",
		"act": "ACT", "at": "ACT", "stop": "", "": "", "dr": "",
	} {
		if got := Nearest(name, names); got != want {
			t.Errorf("Nearest(%q) = %q, not %q", name, got, want)
		}
	}
	if got := DidYouMean("drian", names) + DidYouMean("stop", names); got != `; did you mean "drain"?` {
		t.Errorf("%q", got)
	}
}
