package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/proxy/api"
)

// TestAClusterIsRenewed runs the commands of the README: a fourth node replaces the first as voter, and all are upgraded.
func TestAClusterIsRenewed(t *testing.T) {
	t.Parallel()
	script := regexp.MustCompile(`(?m)^    tcpctl reload --peer all .*\n(    tcpctl .*\n){3}`).FindString(readFile(t, "../../README.md"))
	if script == "" {
		t.Fatal("the README has no such lines")
	}
	l := newClusterLab(t, "edge-1", "edge-2", "edge-3")
	l.nodes["edge-1"].tcpctl("cluster", "init")
	l.leader("edge-1", "")
	for i := 1; i <= 4; i++ {
		name := fmt.Sprintf("edge-%d", i)
		text, err := os.ReadFile(l.path("edge-1"))
		if i <= 3 {
			text, err = os.ReadFile(l.path(name))
		}
		if err != nil {
			t.Fatal(err)
		}
		file := strings.Replace(string(text), `["edge-1", "edge-2", "edge-3"]`, `["edge-2", "edge-3", "edge-4"]`, 1)
		if i == 4 {
			file = strings.NewReplacer(`node = "edge-1"`, `node = "edge-4"`, "listen = \""+l.join+"\"", `listen = "127.0.0.1:0"`,
				filepath.Join(l.dir, "edge-1"), filepath.Join(l.dir, "edge-4")).Replace(string(text))
			file = strings.Replace(file, `["edge-1", "edge-2", "edge-3"]`, `["edge-2", "edge-3", "edge-4"]`, 1)
		}
		write(t, l.path(name), file)
	}
	l.start("edge-4")
	asked := l.nodes["edge-2"]
	asked.untilPeers(3)
	pids := map[string]int{}
	for name, in := range l.nodes {
		pids[name] = in.status().Node.PID
	}
	sh := exec.Command("sh", "-e", "-c", `tcpctl() { command tcpctl "$@" --socket "$SOCKET"; }`+"\n"+script)
	sh.Env = append(os.Environ(), "SOCKET="+asked.socket)
	out, err := sh.CombinedOutput()
	t.Logf("%s\n%s", script, out)
	if err != nil {
		t.Fatal(err)
	}
	for name, in := range l.nodes {
		in.until("it is upgraded, and has a lease", func(*proxy.ServiceInfo) bool {
			st := in.status()
			return st.Node.PID != pids[name] && st.Cluster.LeaseSeconds > 0 && st.Cluster.Leader != ""
		})
		st := in.status()
		var voters []string
		for _, v := range st.Cluster.Voters {
			voters = append(voters, v.Name)
		}
		if got := strings.Join(voters, " "); got != "edge-2 edge-3 edge-4" {
			t.Errorf("%s says that %s vote", name, got)
		}
		if name == "edge-1" && (st.Cluster.Role == api.ClusterVoter || st.Cluster.Role == api.ClusterLeader) {
			t.Errorf("edge-1 is a %s", st.Cluster.Role)
		}
		if out := in.tcpctl("cluster", "status"); !strings.Contains(out, " leads") {
			t.Errorf("%s:\n%s", name, out)
		}
	}
}
