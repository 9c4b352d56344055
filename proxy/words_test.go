package proxy

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

func TestReasonsAreFew(t *testing.T) {
	for why, want := range map[string]string{
		"fin": "fin", "left (reset)": "left", "kicked: too: old": "kicked", "connect: refused": "connect",
		"queue timeout": "queue_timeout", "half-close timeout": "half_close_timeout", "max lifetime": "max_lifetime",
		whyNoBackend: "no_backend", whyTTL: "ttl", whyBadTLS + ": no certificate": "tls",
		"": "other", "Weird (thing)": "other",
	} {
		if got := reason(why); got != want {
			t.Errorf("%q is %q, want %q", why, got, want)
		}
	}
}

// TestEveryReasonIsKnown reads why sessions end as it stands in the source: a
// new reason must not be counted as other for want of a word.
func TestEveryReasonIsKnown(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	literal, found := regexp.MustCompile(`\bwhy: "([^"]+)"`), 0
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		src, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range literal.FindAllSubmatch(src, -1) {
			found++
			if why := string(m[1]); reason(why) == "other" && why != "ended" {
				t.Errorf("%s: %q has no word in reasons", name, why)
			}
		}
	}
	if found < 10 {
		t.Errorf("only %d reasons found: do they look otherwise now?", found)
	}
}

// TestEventKinds reads the constants as they stand in the source: a kind that
// is not in the list could not be asked for in [notify].
func TestEventKinds(t *testing.T) {
	src, err := os.ReadFile("event.go")
	if err != nil {
		t.Fatal(err)
	}
	kinds := regexp.MustCompile(`(?m)^\tEvent\w+ += ("[^"]+")`).FindAllSubmatch(src, -1)
	for _, k := range kinds {
		if kind, _ := strconv.Unquote(string(k[1])); !slices.Contains(EventKinds, kind) {
			t.Errorf("EventKinds lacks %s", kind)
		}
	}
	if len(kinds) != len(EventKinds) {
		t.Errorf("%d kinds, and %d in EventKinds", len(kinds), len(EventKinds))
	}
}

func TestTimingsFindTheirBucket(t *testing.T) {
	h := newTimings([]float64{.1, 1})
	for _, d := range []time.Duration{0, 100 * time.Millisecond, 101 * time.Millisecond, time.Second, time.Minute} {
		h.add(d)
	}
	i := h.info()
	if i.Counts[0] != 2 || i.Counts[1] != 2 || i.Counts[2] != 1 || i.Count() != 5 || i.Sum != 61.201 {
		t.Errorf("%+v", i)
	}
}
