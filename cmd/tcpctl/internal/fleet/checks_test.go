package fleet

import (
	"slices"
	"testing"
	"time"

	"github.com/tcpctl/tcpctl/mesh/meshinfo"
	"github.com/tcpctl/tcpctl/proxy"
)

// TestRule25dTheFirstChecks: the first of the nodes that have a lease, and the backend at its address; each verdict is
// accepted once.
func TestRule25dTheFirstChecks(t *testing.T) {
	t.Parallel()
	var c checks
	mine := proxy.SharedCheck{Service: "db", Backend: "a", Addr: "10.0.0.1:5432"}
	peer := func(id string, state meshinfo.State, all ...proxy.SharedCheck) {
		c.note(meshinfo.Peer{ID: id, Name: "edge-" + id, State: state, Trusted: true}, record{Checks: all})
	}
	follows := func(what, self string, leased bool, place int, verdicts ...string) {
		t.Helper()
		all := c.follow(self, leased, &mine)
		if len(all) != max(len(verdicts), 1) && mine.Place != place {
			t.Errorf("%s: %+v", what, all)
		}
		for i, f := range all {
			if f.Place != place || f.Addr != mine.Addr {
				t.Errorf("%s: %+v, not at place %d", what, f, place)
			}
			if i < len(verdicts) && (f.Verdict == nil || f.By != verdicts[i]) {
				t.Errorf("%s: %+v, not the verdict of %s", what, f, verdicts[i])
			}
			mine.Place, mine.Awaited = f.Place, f.Awaited
		}
		if len(verdicts) == 0 && len(all) > 0 && all[0].Verdict != nil {
			t.Errorf("%s: a verdict of %s", what, all[0].By)
		}
	}
	follows("nobody else", "2", true, 0)
	moved := mine
	moved.Addr = "10.0.0.9:5432"
	peer("1", meshinfo.Alive, moved)
	follows("the peer has it elsewhere", "2", true, 0)
	judged := mine
	judged.Verdict = &proxy.Verdict{At: time.Unix(1, 0), OK: true, Known: true, Up: true}
	peer("1", meshinfo.Alive, judged)
	peer("3", meshinfo.Alive, mine)
	follows("the peer comes first", "2", true, 1, "edge-1")
	follows("the same verdict again", "2", true, 1)
	follows("no lease here", "2", false, 0)
	follows("a lease again", "2", true, 1)
	peer("1", meshinfo.Suspect)
	follows("the peer has no lease", "2", true, 0)
	peer("1", meshinfo.Alive, judged)
	peer("1", meshinfo.Down, judged)
	follows("the peer is down", "2", true, 0)
	wanted := mine
	wanted.Wanted = true
	peer("3", meshinfo.Alive, wanted)
	follows("clients wait there", "2", true, 0)
	if !mine.Awaited {
		t.Error("it is not known that clients wait at a peer")
	}
	c.note(meshinfo.Peer{ID: "0", State: meshinfo.Alive}, record{Checks: []proxy.SharedCheck{judged}})
	follows("a peer that has not proved the secret", "2", true, 0)
}

// TestRule25dWhatARecordChanges: a peer's record is considered only for the backends that it changes.
func TestRule25dWhatARecordChanges(t *testing.T) {
	t.Parallel()
	var c checks
	check := func(backend string, at int64, wanted bool) proxy.SharedCheck {
		one := proxy.SharedCheck{Service: "db", Backend: backend, Addr: "10.0.0.1:5432", Wanted: wanted}
		if at > 0 {
			one.Verdict = &proxy.Verdict{At: time.Unix(at, 0)}
		}
		return one
	}
	notes := func(what string, state meshinfo.State, all []proxy.SharedCheck, want ...string) {
		t.Helper()
		var got []string
		for key := range c.note(meshinfo.Peer{ID: "1", State: state, Trusted: true}, record{Checks: all}) {
			got = append(got, key.backend)
		}
		if slices.Sort(got); !slices.Equal(got, want) {
			t.Errorf("%s: %q differ, not %q", what, got, want)
		}
	}
	first := []proxy.SharedCheck{check("a", 0, false), check("b", 1, false), check("c", 1, false)}
	notes("the first", meshinfo.Alive, first, "a", "b", "c")
	notes("the same again", meshinfo.Alive, first)
	notes("a verdict, clients that wait, and the same read anew", meshinfo.Suspect,
		[]proxy.SharedCheck{check("a", 2, false), check("b", 1, true), check("c", 1, false)}, "a", "b")
	notes("one is gone, one has no verdict", meshinfo.Alive, []proxy.SharedCheck{check("b", 1, true), check("c", 0, false)}, "a", "c")
	notes("the peer is down", meshinfo.Down, first, "b", "c")
	notes("it is back", meshinfo.Alive, first[:1], "a")
}
