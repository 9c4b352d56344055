package protocol

import (
	"context"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/ws"
)

// TestPingsInADownload: a download of many megabytes arrives completely, and pings are answered
// between its frames, as is the client's Close after it.
func TestPingsInADownload(t *testing.T) {
	t.Parallel()
	const size = 1 << 12 * 251 << 6
	v := bridge(t, func(c *net.TCPConn) { io.Copy(c, io.LimitReader(pattern{}, size)) }, nil)
	c := v.dial()
	ctx, cancel := context.WithCancel(t.Context())
	var pings sync.WaitGroup
	var got atomic.Int64
	answered := 0 // pongs in the first half
	pings.Go(func() {
		for c.Ping(ctx) == nil && got.Load() < size/2 {
			answered++
		}
	})
	n, err := io.Copy(io.MultiWriter(&same{}, counter{&got}), c)
	cancel()
	pings.Wait()
	if n != size || err != nil {
		t.Errorf("%d of %d came: %v", n, size, err)
	}
	if answered == 0 {
		t.Error("no ping was answered")
	}
	ends(t, c, ws.NormalClosure)
	if r := v.record(); r.BytesOut != size || r.Reason != proxy.ReasonFIN || r.By != proxy.ByBackend {
		t.Errorf("record %+v", r)
	}
}

type counter struct{ n *atomic.Int64 }

func (c counter) Write(b []byte) (int, error) {
	c.n.Add(int64(len(b)))
	return len(b), nil
}

// TestEndedInADownload: when a session is ended, the client's Close frame comes after a complete
// frame, whether it reads or not.
func TestEndedInADownload(t *testing.T) {
	t.Parallel()
	kick := func(v *testBridge) {
		v.engine.Operator().Kick("ana", "", v.engine.Operator().Sessions(false)[0].ID)
	}
	drain := func(v *testBridge) {
		if _, err := v.svc.Backend("vnc").Drain(proxy.DrainOptions{By: "ana", Limit: time.Millisecond, Then: proxy.ThenCut}); err != nil {
			t.Error(err)
		}
	}
	for _, reads := range []bool{true, false} {
		endedInADownload(t, reads, kick, ws.PolicyViolation)
		endedInADownload(t, reads, drain, ws.GoingAway)
	}
}

func endedInADownload(t *testing.T, reads bool, end func(*testBridge), code ws.CloseCode) {
	v := bridge(t, func(c *net.TCPConn) { io.Copy(c, pattern{}) }, nil)
	c := v.dial()
	read := make(chan error, 1)
	begin := func() {
		_, err := io.Copy(&same{}, c)
		read <- err
	}
	if reads {
		go begin()
	}
	var was int64
	stalled := 0
	v.until("megabytes under way, or as many as fit", func(i proxy.ServiceInfo) bool {
		if stalled++; i.BytesOut != was {
			was, stalled = i.BytesOut, 0
		}
		return reads && was > 16<<20 || !reads && was > 0 && stalled == 50
	})
	end(v)
	if !reads {
		go begin()
	}
	if err := <-read; err != nil {
		t.Errorf("reads %v, %v: what came before the end: %v", reads, code, err)
	}
	ends(t, c, code)
	if r := v.record(); r.CloseCode != int(code) {
		t.Errorf("reads %v, %v: record %+v", reads, code, r)
	}
}
