package fleet

import (
	"bufio"
	"context"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/tcpctl/tcpctl/mesh"
	"github.com/tcpctl/tcpctl/proxy/api"
)

// TestAnActIsAskedAgainOnlyIfNothingWasSent: an act is retried if its stream had ended before use; if a stream ends after
// the act was written, the outcome is unknown.
func TestAnActIsAskedAgainOnlyIfNothingWasSent(t *testing.T) {
	secret := mesh.NewSecret()
	a, _ := startNode(t, "a", secret)
	b, source := startNode(t, "b", secret, a.Addr().String())
	knows(t, a, "b")
	knows(t, b, "a")
	good := a.transport.DialContext
	dialled := 0
	ends := func(times int, read bool) {
		a.transport.CloseIdleConnections()
		dialled = 0
		a.transport.DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
			if dialled++; dialled > times {
				return good(ctx, network, addr)
			}
			ours, theirs := net.Pipe()
			if !read {
				theirs.Close()
				return &counted{Conn: ours}, nil
			}
			go func() {
				defer theirs.Close()
				if _, err := http.ReadRequest(bufio.NewReader(theirs)); err != nil {
					t.Error(err)
				}
			}()
			return &counted{Conn: ours}, nil
		}
	}
	marks := func() (n int) {
		page, err := source.Events(t.Context(), 0, false)
		if err != nil {
			t.Fatal(err)
		}
		for _, ev := range page.Events {
			if strings.Contains(ev.Text, "noted so") {
				n++
			}
		}
		return n
	}
	mark := api.Request{Act: "mark", Args: []string{"noted so"}}

	ends(3, false)
	if _, err := a.PeerFor("b", "ana@a").Do(t.Context(), mark); err != nil || dialled != 4 || marks() != 1 {
		t.Errorf("after three streams that had ended: %v, %d streams, %d marks", err, dialled, marks())
	}
	ends(maxTries, false)
	_, err := a.PeerFor(b.node.ID(), "ana@a").Do(t.Context(), mark)
	if e := api.AsError(err); err == nil || !strings.HasPrefix(e.Text, "b is unreachable: ") || e.Status != api.StatusUnreachable || !strings.Contains(e.Hint, "nothing was done") || dialled != maxTries {
		t.Errorf("where each stream had ended: %v, %d streams", err, dialled)
	}
	ends(1, true)
	if _, err := a.PeerFor("b", "ana@a").Do(t.Context(), mark); err == nil || api.AsError(err).Status != api.StatusNoAnswer || dialled != 1 || marks() != 1 {
		t.Errorf("a stream that ended after the act: %v, %d streams, %d marks", err, dialled, marks())
	}
}
