package clientlist

import (
	"net/netip"
	"os"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/tcpctl/tcpctl/proxy"
)

// TestAListThatALackHidIsReadLater: a network that was added while the process had no
// descriptor is in force once it has one.
func TestAListThatALackHidIsReadLater(t *testing.T) {
	path := file(t, "10.0.0.0/8\n")
	l, err := New(DenyFile, path)
	if err != nil {
		t.Fatal(err)
	}
	said := 0
	l.Note("db", func(proxy.Event) { said++ })
	if err := os.WriteFile(path, []byte("10.0.0.0/8\n192.0.2.0/24\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var was unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &was); err != nil {
		t.Fatal(err)
	}
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: 0, Max: was.Max}); err != nil {
		t.Fatal(err)
	}
	l.Refresh()
	l.Refresh()
	unix.Setrlimit(unix.RLIMIT_NOFILE, &was)
	if said != 1 || l.Info().Error == "" {
		t.Errorf("%d events, %+v", said, l.Info())
	}
	l.Refresh()
	l.Refresh()
	if !l.Covers(netip.MustParseAddr("192.0.2.7")) || said != 2 || l.Info().Error != "" {
		t.Errorf("%d events, %+v", said, l.Info())
	}
}
