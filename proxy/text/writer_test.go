package text

import (
	"strings"
	"testing"
)

// However the bytes are cut, the same is shown.
func TestWriterShowsWhatSafeShows(t *testing.T) {
	for _, c := range nasty {
		in := strings.NewReplacer("\n", " ", "\t", " ").Replace(c.in) + "\tend\n" // those two stay
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
