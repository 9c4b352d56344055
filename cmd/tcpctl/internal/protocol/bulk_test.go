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
	const least = 64 // of patterns
	answered := make(chan struct{})
	var size atomic.Int64
	v := bridge(t, func(c *net.TCPConn) {
		for n, more := 0, true; n < least || more; n++ {
			if _, err := c.Write(patterns); err != nil {
				return
			}
			size.Add(int64(len(patterns)))
			select {
			case <-answered:
				more = false
			default:
			}
		}
	}, nil)
	c := v.dial()
	var pings sync.WaitGroup
	pings.Go(func() {
		defer close(answered)
		ctx, cancel := context.WithTimeout(t.Context(), patience/2)
		defer cancel()
		for range 4 {
			if err := c.Ping(ctx); err != nil {
				t.Errorf("a ping in the download: %v", err)
				return
			}
		}
	})
	n, err := io.Copy(&same{}, c)
	pings.Wait()
	if n != size.Load() || err != nil {
		t.Errorf("%d of %d came: %v", n, size.Load(), err)
	}
	ends(t, c, ws.NormalClosure)
	if r := v.record(); r.BytesOut != n || r.Reason != proxy.ReasonFIN || r.By != proxy.ByBackend {
		t.Errorf("record %+v", r)
	}
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
