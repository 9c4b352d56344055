package quorum

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tcpctl/tcpctl/proxy/api"
)

// TestRule33bAMajorityThatIsLost: one voter continues alone once all leases have run out; client nodes follow it, and it adds the
// voters of its file again. A voter that returns with the old cluster's log refuses the new cluster and is refused, both events
// name both ids, and rejoin makes it join.
func TestRule33bAMajorityThatIsLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, a, b, c, d := form(t)
		defer n.close()
		old := a.part.Status().ID
		if _, err := a.part.Recover(); err == nil || !strings.Contains(err.Error(), "leads: a majority is reached") {
			t.Errorf("with a majority: %v", err)
		}
		if _, err := d.part.Recover(); err == nil || !strings.Contains(err.Error(), "no log") {
			t.Errorf("at a client: %v", err)
		}
		b.stop()
		c.stop()
		until(t, "the others are gone", func() bool {
			return a.sees(false, "a", "b", "c")() && !a.part.linked(b.part.self) && !a.part.linked(c.part.self)
		})
		if _, err := a.part.Recover(); err == nil || !strings.Contains(err.Error(), "may hold leases for another") {
			t.Errorf("while leases run: %v", err)
		}
		time.Sleep(4 * time.Second)
		text, err := a.part.Recover()
		if err != nil || !strings.Contains(text, "a votes alone") {
			t.Fatalf("%q, %v", text, err)
		}
		until(t, "it leads alone", a.sees(true, "a"))
		id := a.part.Status().ID
		if id == old || !strings.Contains(text, old) || !strings.Contains(text, id) {
			t.Errorf("cluster %s after %s: %s", id, old, text)
		}
		until(t, "the client follows", func() bool { return d.part.Status().ID == id })

		b = n.start("b", "a", "b", "c")
		both := func(nd *node) func() bool { return func() bool { return nd.said(old) && nd.said(id) } }
		until(t, "the old voter says both ids", both(b))
		until(t, "the new one, too", both(a))
		if s := b.part.Status(); s.Role != api.ClusterStopped || !strings.Contains(s.Error, "tcpctl cluster rejoin") {
			t.Errorf("the old voter: %+v", s)
		}
		if err := b.part.Stopped(); !Recovered(err) {
			t.Errorf("it has stopped: %v", err)
		}
		if _, err := b.part.Rejoin(); err != nil {
			t.Fatal(err)
		}
		until(t, "two vote", a.sees(true, "a", "b"))
		a.stop()
		a = n.start("a", "a", "b", "c")
		until(t, "it is the same cluster after a restart", func() bool { return a.part.Status().ID == id && a.sees(true, "a", "b")() })
	})
}
