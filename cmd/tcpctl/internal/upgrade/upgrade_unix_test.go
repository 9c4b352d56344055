//go:build unix

package upgrade

import (
	"net"
	"os"
	"reflect"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/tcpctl/tcpctl/proxy"
)

// TestMain is the new process, too, when a test has started it as one.
func TestMain(m *testing.M) {
	if before, err := Take(); before != nil || err != nil {
		follow(before)
		return
	}
	goleak.VerifyTestMain(m)
}

// follow answers clients at the first door with what it was told, until the
// process before it has nothing left.
func follow(p *Predecessor) {
	if p.Offer.Control == "refuse" {
		p.Fail(net.ErrClosed)
		return
	}
	ln, err := net.FileListener(p.Offer.Doors[0].File)
	if err != nil {
		p.Fail(err)
		return
	}
	rest, err := p.Ready()
	for err == nil && rest != nil {
		var c net.Conn
		if c, err = ln.Accept(); err != nil {
			return
		}
		c.Write([]byte(p.Offer.By + " " + p.Offer.Activated[0].Name() + " " + strings.Repeat("|", rest["db"].Active)))
		c.Close()
		p.Follow(func(now map[string]proxy.Rest) { rest = now })
	}
}

func begin(t *testing.T, control string) (*Successor, net.Listener, error) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	door, err := ln.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	named, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer named.Close()
	o := Offer{Control: control, By: "ana", Doors: []proxy.Door{{Service: "db", Addr: ":1", File: door}}, Activated: []*os.File{named}}
	defer o.Close()
	s, err := Begin(os.Args[0], os.Args[:1], nil, o)
	return s, ln, err
}

func TestOneProcessFollowsAnother(t *testing.T) {
	s, ln, err := begin(t, "s")
	if err != nil {
		t.Fatal(err)
	}
	addr := ln.Addr().String()
	ln.Close()
	c, err := net.Dial("tcp", addr) // while nobody accepts
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := s.Go(map[string]proxy.Rest{"db": {Active: 3}}); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 100)
	n, err := c.Read(buf)
	if got := string(buf[:n]); got != "ana "+os.DevNull+" |||" {
		t.Errorf("%q, %v", got, err)
	}
	s.Tell(map[string]proxy.Rest{"db": {Active: 1}})
	s.Close()
}

func TestOneThatCannot(t *testing.T) {
	if _, _, err := begin(t, "refuse"); err == nil || !strings.Contains(err.Error(), net.ErrClosed.Error()) {
		t.Errorf("%v", err)
	}
	if _, err := Begin("/bin/false", []string{"false"}, nil, Offer{}); err == nil || !strings.Contains(err.Error(), "has ended before it was ready") {
		t.Errorf("%v", err)
	}
	if _, err := Begin("/nobody", []string{"nobody"}, nil, Offer{}); err == nil {
		t.Error("nobody begins")
	}
}

func TestNobodyToFollow(t *testing.T) {
	if p, err := Take(); p != nil || err != nil {
		t.Errorf("%v, %v", p, err)
	}
	for _, odd := range []string{"", "x", "1", "999999"} {
		t.Setenv(variable, odd)
		if p, err := Take(); p != nil || err == nil {
			t.Errorf("%q: %v, %v", odd, p, err)
		}
		if text, left := os.LookupEnv(variable); left {
			t.Errorf("%q is left for others", text)
		}
	}
}

// TestOfferIsWhole looks whether every field goes over.
func TestOfferIsWhole(t *testing.T) {
	o := Offer{Doors: []proxy.Door{{Service: "a", Addr: "b", File: os.Stdin}}, Activated: []*os.File{os.Stdout}, Metrics: os.Stderr}
	files, s := o.files()
	var back Offer
	back.fill(s, func(string) (f *os.File) { f, files = files[0], files[1:]; return f })
	if !reflect.DeepEqual(o, back) || len(files) > 0 {
		t.Errorf("%+v, %v left", back, files)
	}
}
