package config

import (
	"fmt"
	"strings"
	"testing"
)

const clusterFile = `[services.db]
listen = "127.0.0.1:5432"
backends = ["127.0.0.1:1"]
`

// TestRule29HowManyVoters: 1, 3 or 5; one causes a warning.
func TestRule29HowManyVoters(t *testing.T) {
	names := []string{`"a"`, `"b"`, `"c"`, `"d"`, `"e"`, `"f"`}
	for n := range 7 {
		text := clusterFile + "[mesh]\nname = \"office\"\nsecret_file = \"mesh.secret\"\n[cluster]\nvoters = [" + strings.Join(names[:n], ", ") + "]\n"
		f, err := parse("x.toml", []byte(text), false)
		if ok := n == 1 || n == 3 || n == 5; ok != (err == nil) || !ok && !strings.Contains(fmt.Sprint(err), "x.toml:8: ") {
			t.Errorf("%d voters: %v", n, err)
		}
		if n == 2 && !strings.Contains(fmt.Sprint(err), "name three nodes") {
			t.Errorf("two voters, without the remedy: %v", err)
		}
		if warned := err == nil && strings.Contains(f.Warnings().Error(), "one voter"); warned != (n == 1) {
			t.Errorf("%d voters: warned %t", n, warned)
		}
	}
}

// TestRule31AClusterNeedsASecret: and so a mesh with one.
func TestRule31AClusterNeedsASecret(t *testing.T) {
	for _, mesh := range []string{"", "[mesh]\nname = \"office\"\n"} {
		_, err := parse("x.toml", []byte(clusterFile+mesh+"[cluster]\nvoters = [\"a\"]\n"), false)
		if err == nil || !strings.Contains(err.Error(), "a cluster needs") {
			t.Errorf("%q: %v", mesh, err)
		}
	}
}

// TestRule25eSlotsForEachVoter: errors are too few slots, a hook that counts clients, and slots of one node.
func TestRule25eSlotsForEachVoter(t *testing.T) {
	const cluster = "[mesh]\nname = \"a\"\nsecret_file = \"mesh.secret\"\n[cluster]\nvoters = [\"a\", \"b\", \"c\"]\n"
	for _, c := range []struct{ lock, cluster, want string }{
		{"scope = \"cluster\"\norder = \"shares\"\nslots = 30\n", cluster, ""},
		{"scope = \"cluster\"\norder = \"shares\"\nslots = 29\n", cluster, "has 29 slots for 3 nodes"},
		{"order = \"shares\"\nslots = 30\n", cluster, "are this node's"},
		{"scope = \"cluster\"\norder = \"shares\"\nslots = 30\n[services.db.hooks]\nbefore_next = { run = [\"true\"] }\n", cluster, "hooks.before_next counts"},
		{"scope = \"cluster\"\norder = \"fair\"\nslots = 30\n", cluster, "strict, shares"},
	} {
		_, err := parse("x.toml", []byte(clusterFile+"[services.db.lock]\n"+c.lock+c.cluster), false)
		if (c.want == "") != (err == nil) || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: %v", c.lock, err)
		}
	}
}
