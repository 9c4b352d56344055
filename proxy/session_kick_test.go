package proxy_test

import (
	"fmt"
	"testing"

	"github.com/tcpctl/tcpctl/proxy"
)

// Sessions are kicked in the order of the ids, one by one; those that end by themselves meanwhile are not, and are said.
func TestKickSlowly(t *testing.T) {
	t.Parallel()
	v := start(t, unchecked(onRunner(t)), newServer(t, "a"))
	var clients []*client
	for _, name := range []string{"x", "y", "z"} {
		c := v.dial(name)
		c.hears("a " + name)
		clients = append(clients, c)
	}
	if err := v.KickSlowly("ana", "", 2, "s3", "s999", "s2", "s1"); err != nil {
		t.Fatal(err)
	}
	clients[2].isReset()
	clients[1].Close()
	clients[0].isReset()
	kicked := 0
	for _, id := range []string{"s3", "s2", "s1"} {
		r := v.record()
		if r.ID != id {
			t.Errorf("record of %s; want that of %s", r.ID, id)
		}
		if r.Reason == proxy.ReasonKicked {
			kicked++ // on a slow machine perhaps s2, too
		}
	}
	want := fmt.Sprintf("kicked %d sessions; %d had ended by themselves", kicked, 4-kicked)
	v.eventually("it is said", func() bool {
		page, _ := v.Events(0)
		last := page.Events[len(page.Events)-1]
		return last.By == "ana" && last.Text == want
	})
}
