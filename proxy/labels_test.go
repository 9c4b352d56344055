package proxy_test

import (
	"bytes"
	"context"
	"runtime/pprof"
	"strings"
	"testing"

	"github.com/tcpctl/tcpctl/proxy"
)

// TestGoroutinesHaveLabels: a dump says what each long-lived goroutine is for, and the
// one that starts an engine keeps its own labels.
func TestGoroutinesHaveLabels(t *testing.T) {
	eachRelay(t, func(t *testing.T, relay string) {
		pprof.Do(t.Context(), pprof.Labels("mine", "yes"), func(ctx context.Context) {
			v := start(t, proxy.ServiceConfig{Relay: relay}, newServer(t, "a"))
			v.untilUp()
			c := v.dial("one")
			c.hears("a one")
			want := []string{`{"backend":"a", "role":"check", "service":"db"}`, `{"role":"clock", "service":"db"}`, `{"mine":"yes"}`}
			if relay == "loop" {
				want = append(want, `{"role":"loops"}`)
			} else {
				want = append(want, `{"role":"clients", "service":"db"}`)
			}
			var dump bytes.Buffer
			for _, labels := range want {
				v.eventually(labels, func() bool { // a goroutine may not have reached its first line
					dump.Reset()
					pprof.Lookup("goroutine").WriteTo(&dump, 1)
					return strings.Contains(dump.String(), "# labels: "+labels+"\n")
				})
			}
		})
	})
}
