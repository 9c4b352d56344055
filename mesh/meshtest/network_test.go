package meshtest_test

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/tcpctl/tcpctl/mesh/meshtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// joined runs f in a bubble with a connection between two hosts.
func joined(t *testing.T, f func(t *testing.T, n *meshtest.Network, a, b *meshtest.Host, ca, cb net.Conn)) {
	synctest.Test(t, func(t *testing.T) {
		n := meshtest.New()
		defer n.Close()
		a, b := n.Host("a"), n.Host("b")
		ln, err := b.Listen(t.Context(), "0.0.0.0:80")
		if err != nil {
			t.Fatal(err)
		}
		ca, err := a.Dial(t.Context(), ln.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		cb, err := ln.Accept()
		if err != nil {
			t.Fatal(err)
		}
		f(t, n, a, b, ca, cb)
	})
}

func read(t *testing.T, c net.Conn, want string) {
	t.Helper()
	buf := make([]byte, len(want))
	if _, err := io.ReadFull(c, buf); err != nil || string(buf) != want {
		t.Errorf("read %q, %v: want %q", buf, err, want)
	}
}

func TestBytesAndEnd(t *testing.T) {
	joined(t, func(t *testing.T, _ *meshtest.Network, _, _ *meshtest.Host, ca, cb net.Conn) {
		io.WriteString(ca, "hello")
		ca.Close()
		read(t, cb, "hello")
		if _, err := cb.Read(make([]byte, 1)); err != io.EOF {
			t.Errorf("after Close: %v, want io.EOF", err)
		}
		if _, err := cb.Write([]byte("x")); err == nil {
			t.Error("writing to a closed connection works")
		}
		if _, err := ca.Read(make([]byte, 1)); !errors.Is(err, net.ErrClosed) {
			t.Errorf("reading a closed connection: %v", err)
		}
	})
}

func TestDelayIsExact(t *testing.T) {
	joined(t, func(t *testing.T, n *meshtest.Network, _, _ *meshtest.Host, ca, cb net.Conn) {
		n.SetDelay(40 * time.Millisecond)
		sent := time.Now()
		io.WriteString(ca, "slow")
		read(t, cb, "slow")
		if d := time.Since(sent); d != 40*time.Millisecond {
			t.Errorf("it took %v", d)
		}
	})
}

func TestLossDelaysAndKeepsOrder(t *testing.T) {
	joined(t, func(t *testing.T, n *meshtest.Network, _, _ *meshtest.Host, ca, cb net.Conn) {
		n.SetLoss(0.5)
		text := strings.Repeat("0123456789", 10)
		sent := time.Now()
		for i := range text {
			io.WriteString(ca, text[i:i+1])
		}
		read(t, cb, text)
		if time.Since(sent) < 200*time.Millisecond {
			t.Error("nothing was lost")
		}
	})
}

func TestCutHoldsAndHealDelivers(t *testing.T) {
	joined(t, func(t *testing.T, n *meshtest.Network, a, b *meshtest.Host, ca, cb net.Conn) {
		n.Cut(a, b)
		io.WriteString(ca, "late")
		cb.SetReadDeadline(time.Now().Add(time.Minute))
		if _, err := cb.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("read through a cut: %v", err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if _, err := a.Dial(ctx, cb.LocalAddr().String()); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("dialled through a cut: %v", err)
		}
		cb.SetReadDeadline(time.Time{})
		n.Heal()
		read(t, cb, "late")
	})
}

func TestFreezeStopsTheProcessAlone(t *testing.T) {
	joined(t, func(t *testing.T, _ *meshtest.Network, _, b *meshtest.Host, ca, cb net.Conn) {
		b.Freeze()
		io.WriteString(ca, "wait")
		got := make(chan time.Time, 1)
		go func() {
			read(t, cb, "wait")
			got <- time.Now()
		}()
		time.Sleep(time.Hour)
		b.Thaw()
		if at := <-got; time.Since(at) > time.Second {
			t.Error("a frozen host has read")
		}
	})
}

func TestFullWindowBlocksTheWriter(t *testing.T) {
	joined(t, func(t *testing.T, _ *meshtest.Network, _, _ *meshtest.Host, ca, cb net.Conn) {
		ca.SetWriteDeadline(time.Now().Add(time.Second))
		n, err := ca.Write(make([]byte, 1<<20))
		if !errors.Is(err, os.ErrDeadlineExceeded) || n == 0 || n == 1<<20 {
			t.Errorf("wrote %d, %v", n, err)
		}
		ca.SetWriteDeadline(time.Time{})
		go io.Copy(io.Discard, cb)
		if _, err := ca.Write(make([]byte, 1<<20)); err != nil {
			t.Error(err)
		}
		ca.Close()
	})
}

func TestRefused(t *testing.T) {
	n := meshtest.New()
	defer n.Close()
	if _, err := n.Host("a").Dial(t.Context(), "10.77.0.9:1"); err == nil {
		t.Error("an address without a host accepts connections")
	}
}
