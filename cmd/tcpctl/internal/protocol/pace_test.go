package protocol

import (
	"context"
	"io"
	"testing"

	"github.com/tcpctl/tcpctl/proxy"
)

// TestRateLimit: data is delayed in both directions, answers to pings are not, also over TLS.
func TestRateLimit(t *testing.T) {
	t.Parallel()
	const size = 251 << 13
	v := bridge(t, echo, func(c *proxy.ServiceConfig, _ *WebSocket) { c.RateLimit = 1 << 20 })
	c := v.dial()
	sent := make(chan error, 1)
	go func() {
		_, err := io.Copy(c, io.LimitReader(pattern{}, size))
		sent <- err
	}()
	pinged := make(chan error, 1)
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		pinged <- c.Ping(ctx)
	}()
	if n, err := io.Copy(&same{}, io.LimitReader(c, size)); n != size || err != nil {
		t.Errorf("%d came back: %v", n, err)
	}
	if err := <-sent; err != nil {
		t.Error(err)
	}
	go io.Copy(io.Discard, c)
	if err := <-pinged; err != nil {
		t.Error(err)
	}
	c.Close()
	if r := v.record(); r.BytesIn != size || r.BytesOut != size || r.DurationSeconds < 0.5 {
		t.Errorf("record %+v", r)
	}
}
