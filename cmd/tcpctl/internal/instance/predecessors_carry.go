package instance

import (
	"errors"
	"net/http"
	"syscall"
	"time"

	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/quorum"
	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/upgrade"
)

// carryPath is where a later process of this node opens a stream, on which each process carries the
// messages of the other's member to the voters.
const carryPath = "/v1/cluster/carry"

// carry carries messages of the members of all earlier processes, as long as each lives.
func (g *predecessors) carry(c *quorum.Carrier, all []upgrade.Generation) {
	if c == nil {
		return
	}
	for _, one := range all {
		g.wg.Go(func() {
			for g.ctx.Err() == nil {
				conn, err := upgrade.OpenStream(g.ctx, one.Addr, carryPath)
				switch {
				case errors.Is(err, syscall.ECONNREFUSED):
					return // the process has ended
				case err == nil:
					c.Serve(conn)
				}
				select {
				case <-g.ctx.Done():
				case <-time.After(carryAgain):
				}
			}
		})
	}
}

// carryAgain is the pause before an ended stream is opened again.
const carryAgain = 100 * time.Millisecond

// serveCarry serves the stream of a later process.
func (ms *membership) serveCarry(w http.ResponseWriter, _ *http.Request) {
	c := ms.with()
	if c == nil {
		http.Error(w, "this process has joined no cluster", http.StatusConflict)
		return
	}
	conn, err := upgrade.TakeStream(w)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	c.Serve(conn)
}
