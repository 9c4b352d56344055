package mesh_test

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/tcpctl/tcpctl/mesh"
	"github.com/tcpctl/tcpctl/proxy/proxytest"
)

func TestDoctorCallsTheJoinAddresses(t *testing.T) {
	secret := []string{mesh.NewSecret()}
	a := start(t, mesh.Config{Name: "clinic", Node: "a", Version: "1.2.3", Secrets: secret})
	for _, c := range []struct {
		name    string
		cfg     mesh.Config
		secret  bool
		problem string
		advice  string
	}{
		{"well", mesh.Config{Name: "clinic", Secrets: secret}, true, "", ""},
		{"other secret", mesh.Config{Name: "clinic", Secrets: []string{mesh.NewSecret()}}, false, "its secret is another one", "a refuses: its secret"},
		{"no secret", mesh.Config{Name: "clinic"}, false, "we have none", "a refuses: it has a secret"},
		{"other mesh", mesh.Config{Name: "ward", Secrets: secret}, true, `of mesh "clinic"`, "another mesh"},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.cfg.NoMDNS, c.cfg.Join = true, []string{a.addr()}
			d, err := mesh.Doctor(t.Context(), c.cfg)
			if err != nil || len(d.Nodes) != 1 {
				t.Fatalf("%+v, %v", d, err)
			}
			n := d.Nodes[0]
			if n.Name != "a" || n.Version != "1.2.3" || !n.Reached || n.Secret != c.secret || n.RTTSeconds <= 0 {
				t.Errorf("node %+v", n)
			}
			if (n.Problem == "") != (c.problem == "") || !strings.Contains(n.Problem, c.problem) {
				t.Errorf("problem %q: want %q", n.Problem, c.problem)
			}
			if advice := strings.Join(d.Advice, " "); (advice == "") != (c.advice == "") || !strings.Contains(advice, c.advice) {
				t.Errorf("advice %q: want %q", advice, c.advice)
			}
		})
	}
	if len(a.Peers()) != 0 {
		t.Errorf("the doctor became a peer: %+v", a.Peers())
	}
}

func TestDoctorListsNodesThatDoNotAnswer(t *testing.T) {
	d, err := mesh.Doctor(context.Background(), mesh.Config{Name: "clinic", NoMDNS: true, Join: []string{"127.0.0.1:1"}})
	if err != nil || len(d.Nodes) != 1 || d.Nodes[0].Reached || d.Nodes[0].Problem != "nothing listens at this address" {
		t.Errorf("%+v, %v", d, err)
	}
	if len(d.Advice) != 1 || !strings.HasPrefix(d.Advice[0], "nothing listens where nodes should") {
		t.Errorf("advice %q", d.Advice)
	}
}

// TestDoctorNamesWhatIsWrong, and only that: each address that is no use is a finding, beside a node that is well, with advice
// that fits it. All of them used to be nodes that "are found and cannot be reached", or none.
func TestDoctorNamesWhatIsWrong(t *testing.T) {
	a := start(t, mesh.Config{Name: "clinic", Node: "a"})
	silent := proxytest.Serve(t, func(c net.Conn) { io.Copy(io.Discard, c) })
	for _, c := range []struct{ join, advice string }{
		{"127.0.0.1:1", "nothing listens at 127.0.0.1:1:"},
		{silent, silent + " takes connections and does not answer as a node does"},
		{"nosuch.invalid:1", "the name in the join address nosuch.invalid:1 is not found"},
	} {
		d, err := mesh.Doctor(t.Context(), mesh.Config{Name: "clinic", NoMDNS: true, Join: []string{a.addr(), c.join}})
		if err != nil || len(d.Nodes) != 2 || len(d.Advice) != 1 || !strings.HasPrefix(d.Advice[0], c.advice) {
			t.Errorf("%s: nodes %+v, advice %q, %v", c.join, d.Nodes, d.Advice, err)
		}
	}
}

// A cancelled diagnosis returns an error, not partial findings.
func TestDoctorThatIsCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if d, err := mesh.Doctor(ctx, mesh.Config{Name: "clinic", NoMDNS: true, Join: []string{"127.0.0.1:1"}}); !errors.Is(err, context.Canceled) || len(d.Advice) > 0 {
		t.Error(d, err)
	}
}

func TestDoctorChecksEveryInterface(t *testing.T) {
	t.Parallel()
	d, err := mesh.Doctor(t.Context(), mesh.Config{Name: "clinic"})
	if err != nil {
		t.Fatal(err)
	}
	if d.Problem == "" && len(d.Interfaces) == 0 {
		t.Error("no interface, and no advice that says why")
	}
	for _, i := range d.Interfaces {
		if !i.Sent && i.Problem == "" {
			t.Errorf("%s: nothing was sent, and there is no problem", i.Name)
		}
		t.Logf("%+v", i)
	}
}

func TestDoctorHearsOtherMeshes(t *testing.T) {
	t.Parallel()
	n, err := mesh.New(mesh.Config{Name: "ward", Node: "nurse"})
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	if err := n.Listen(t.Context(), "127.0.0.1"); err != nil {
		t.Fatal(err)
	}
	d, err := mesh.Doctor(t.Context(), mesh.Config{Name: "clinic"})
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range d.Interfaces {
		if i.Name == "lo" && !i.Received {
			t.Skipf("no multicast on loopback here: %+v", i)
		}
	}
	if advice := strings.Join(d.Advice, " "); !strings.Contains(advice, `nurse is of another mesh, "ward"`) {
		t.Errorf("nodes %+v, advice %q", d.Nodes, advice)
	}
}
