package text

import (
	"fmt"
	"strings"
	"testing"
)

// However the bytes are split, the result is the same.
func TestWriterShowsWhatSafeShows(t *testing.T) {
	for _, c := range nasty {
		in := strings.NewReplacer("\n", " ", "\t", " ").Replace(c.in) + "\tend\n" // these two are kept
		want := c.want + "\tend\n"
		for cut := 0; cut <= len(in); cut++ {
			var out strings.Builder
			w := NewWriter(&out)
			for _, part := range []string{in[:cut], in[cut:]} {
				if n, err := w.Write([]byte(part)); n != len(part) || err != nil {
					t.Fatal(n, err)
				}
			}
			if out.String() != want {
				t.Errorf("%q cut at %d: %q, not %q", in, cut, out.String(), want)
			}
		}
	}
}

// full is a disk without space, with another error for each write.
type full struct{ writes int }

func (f *full) Write([]byte) (int, error) {
	f.writes++
	return 0, fmt.Errorf("no space for write %d", f.writes)
}

// A writer used by many parts of a program reports once, at its end, that something was
// lost.
func TestWriterKeepsItsFirstError(t *testing.T) {
	w := NewWriter(&full{})
	if err := w.Err(); err != nil {
		t.Error(err)
	}
	for range 2 {
		fmt.Fprintln(w, "x")
	}
	if err := w.Err(); err == nil || err.Error() != "no space for write 1" {
		t.Error(err)
	}
}
