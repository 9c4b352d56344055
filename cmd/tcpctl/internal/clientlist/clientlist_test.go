package clientlist

import (
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/tcpctl/tcpctl/proxy"
)

func file(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "list")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestRead: the accepted formats, and errors with their lines.
func TestRead(t *testing.T) {
	for _, tt := range []struct{ text, want string }{
		{"10.0.0.0/8\n192.0.2.7\n", "10.0.0.0/8 192.0.2.7/32"},
		{"# office\r\n10.0.0.0/8 # all of it\r\n\r\n  fd00::/8\t", "10.0.0.0/8 fd00::/8"},
		{"\ufeff10.0.0.1", "10.0.0.1/32"},
		{"::ffff:10.0.0.1\n::ffff:10.0.0.0/104\n", "10.0.0.1/32 10.0.0.0/8"},
		{"", ""},
		{"# nothing\n", ""},
		{"10.0.0.0/8\n\n10.0.0.300\n", `F:3: "10.0.0.300" is not a network; a line is one network or address: 10.0.0.0/8, fd00::/8, 192.0.2.7`},
		{"10.0.0.5/8\n", `F:1: "10.0.0.5/8" is an address within a network; a line is one network or address: 10.0.0.0/8, fd00::/8, 192.0.2.7`},
		{"10.0.0.0/8, 10.1.0.0/16\n", `F:1: "10.0.0.0/8, 10.1.0.0/16" is not a network; a line is one network or address: 10.0.0.0/8, fd00::/8, 192.0.2.7`},
		{"fe80::1%eth0\n", `F:1: "fe80::1%eth0" is not a network; a line is one network or address: 10.0.0.0/8, fd00::/8, 192.0.2.7`},
		{"\x7fELF\x00\x1b[31m" + strings.Repeat("x", 500) + "\n", `F:1: "\x7fELF\x00\x1b[31mxxxx`},
	} {
		path := file(t, tt.text)
		all, err := Read(path)
		got := ""
		for _, p := range all {
			got += " " + p.String()
		}
		got = strings.TrimSpace(got)
		if err != nil {
			got = strings.ReplaceAll(err.Error(), path, "F")
		}
		if got != tt.want && !(strings.HasPrefix(tt.text, "\x7f") && strings.HasPrefix(got, tt.want) && len(got) < 300) {
			t.Errorf("%.40q:\ngot  %s\nwant %s", tt.text, got, tt.want)
		}
	}
	for path, want := range map[string]string{t.TempDir(): "it is a folder; name a file in it", "/nowhere/list": "no such file or directory; put it there, or name another"} {
		if _, err := Read(path); err == nil || err.Error() != path+": "+want {
			t.Errorf("%v", err)
		}
	}
}

var clock = regexp.MustCompile(`\d\d:\d\d:\d\d`)

// TestRefresh: a list follows its file; if the file is damaged, empty or gone, the list stays in
// force.
func TestRefresh(t *testing.T) {
	path := file(t, "10.0.0.0/8\n")
	l, err := New(AllowFile, path)
	if err != nil {
		t.Fatal(err)
	}
	var said []string
	l.Note("db", func(ev proxy.Event) {
		said = append(said, ev.Level+" "+clock.ReplaceAllString(strings.ReplaceAll(ev.Text, path, "F"), "AT"))
	})
	covers := func(addr string, want bool) {
		t.Helper()
		if got := l.Covers(netip.MustParseAddr(addr)); got != want {
			t.Errorf("%s: %t", addr, got)
		}
	}
	change := func(text string) {
		t.Helper()
		os.Remove(path)
		if text != "gone" {
			os.WriteFile(path, []byte(text), 0o600)
		}
		l.Refresh()
	}
	l.Refresh()
	if len(said) != 0 {
		t.Errorf("events %q for an unchanged file", said)
	}
	covers("10.1.1.1", true)
	change("192.0.2.0/24\n10.0.0.7\n")
	covers("10.1.1.1", false)
	covers("10.0.0.7", true)
	covers("::ffff:192.0.2.9", true)
	for _, bad := range []string{"192.0.2.0/24\nnonsense\n", "", "gone"} {
		change(bad)
		covers("10.0.0.7", true)
		covers("192.0.2.9", true)
		if i := l.Info(); i.Error == "" || i.Failing == nil || i.Networks != 2 {
			t.Errorf("%q: %+v", bad, i)
		}
	}
	change("fd00::/8\n")
	covers("10.0.0.7", false)
	covers("fd00::1", true)
	if i := l.Info(); i.Error != "" || i.Failing != nil || i.Networks != 1 {
		t.Errorf("%+v", i)
	}
	want := []string{
		" db: allow_file: read 2 networks from F, there were 1",
		`warn db: allow_file: F:2: "nonsense" is not a network; a line is one network or address: 10.0.0.0/8, fd00::/8, 192.0.2.7; the 2 networks of AT stay in force`,
		`warn db: allow_file: F: it has no network: no client could come; to refuse every client on purpose, write deny = ["0.0.0.0/0", "::/0"]; the 2 networks of AT stay in force`,
		"warn db: allow_file: F: no such file or directory; put it there, or name another; the 2 networks of AT stay in force",
		" db: allow_file: read 1 network from F, there were 2",
	}
	if !slices.Equal(said, want) {
		t.Errorf("it said %q, want %q", said, want)
	}
	// A deny list may be empty.
	if d, err := New(DenyFile, file(t, "")); err != nil || d.Info().Networks != 0 {
		t.Error(err)
	}
	if _, err := New(AllowFile, file(t, "# soon\n")); err == nil {
		t.Error("an empty allow list was accepted")
	}
}

// TestSet: a set contains exactly the addresses that its networks contain.
func TestSet(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	addr := func() netip.Addr {
		if r.IntN(2) == 0 {
			return netip.AddrFrom4([4]byte{10, byte(r.IntN(3)), byte(r.IntN(4)), byte(r.IntN(256))})
		}
		return netip.AddrFrom16([16]byte{0x20, 1, byte(r.IntN(3)), byte(r.IntN(4)), 15: byte(r.IntN(256))})
	}
	for range 300 {
		var all []netip.Prefix
		for range r.IntN(12) {
			a := addr()
			p, _ := a.Prefix(r.IntN(a.BitLen() + 1))
			all = append(all, p)
		}
		s := newSet(all)
		for range 300 {
			a, want := addr(), false
			for _, p := range all {
				want = want || p.Contains(a)
			}
			if got := s.covers(a); got != want {
				t.Fatalf("%v has %s: %t, want %t", all, a, got, want)
			}
		}
		if s.covers(netip.Addr{}) {
			t.Fatalf("%v has no address at all", all)
		}
	}
}
