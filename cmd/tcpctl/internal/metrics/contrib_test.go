package metrics

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// The files for Prometheus and Grafana, for operators to use unchanged.
const (
	rulesFile     = "../../contrib/prometheus/tcpctl.rules.yml"
	rulesTests    = "../../contrib/prometheus/tcpctl.rules_test.yml"
	dashboardFile = "../../contrib/grafana/tcpctl.json"
)

func readText(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func promtool(t *testing.T, args ...string) {
	t.Helper()
	path, err := exec.LookPath("promtool")
	if err != nil {
		t.Skip("promtool is not installed")
	}
	if out, err := exec.Command(path, args...).CombinedOutput(); err != nil {
		t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

// expected returns the labels of a metric, besides those of a scrape; false: there is no such
// metric.
func expected(name string) (labels []string, ok bool) {
	if slices.Contains([]string{"up", "process_open_fds", "process_max_fds", "process_resident_memory_bytes", "process_cpu_seconds_total"}, name) {
		return nil, true
	}
	for _, f := range families {
		names := []string{f.Name}
		switch f.Type {
		case histogram:
			names = []string{f.Name + "_bucket", f.Name + "_sum", f.Name + "_count"}
		case summary:
			names = []string{f.Name + "_sum", f.Name + "_count"}
		}
		if slices.Contains(names, name) {
			return f.Labels, true
		}
	}
	return nil, false
}

var (
	quoted   = regexp.MustCompile(`"[^"]*"`)
	grouping = regexp.MustCompile(`\b(by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)`)
	duration = regexp.MustCompile(`\[[^\]]*\]`)
	series   = regexp.MustCompile(`([a-zA-Z_:][a-zA-Z0-9_:]*)\s*(\{[^}]*\}|\()?`)
	matcher  = regexp.MustCompile(`([a-zA-Z_]+)\s*(=~|!=|!~|=)`)
)

// checkNames finds unknown metrics and labels in an expression.
func checkNames(t *testing.T, where, expr string) {
	t.Helper()
	text := duration.ReplaceAllString(grouping.ReplaceAllString(quoted.ReplaceAllString(expr, `""`), ""), "")
	found := 0
	for _, m := range series.FindAllStringSubmatch(text, -1) {
		name := m[1]
		if m[2] == "(" || slices.Contains([]string{"and", "or", "unless", "bool", "offset"}, name) {
			continue // a function or keyword
		}
		labels, ok := expected(name)
		if found++; !ok {
			t.Errorf("%s: there is no metric %s: %s", where, name, expr)
			continue
		}
		for _, l := range matcher.FindAllStringSubmatch(m[2], -1) {
			if !slices.Contains(labels, l[1]) && l[1] != "job" && l[1] != "instance" && l[1] != "le" {
				t.Errorf("%s: %s has no label %s: %s", where, name, l[1], expr)
			}
		}
	}
	if found == 0 {
		t.Errorf("%s uses no metric: %s", where, expr)
	}
}

var (
	alertLine = regexp.MustCompile(`(?m)^      - alert: (\w+)\n        expr: '(.*)'$`)
	firing    = regexp.MustCompile(`(?m)alertname: (\w+)\n        exp_alerts:\n          - exp_labels`)
)

// TestAlerts: the rules are valid, name existing metrics, and each fires in a test.
func TestAlerts(t *testing.T) {
	rules := alertLine.FindAllStringSubmatch(readText(t, rulesFile), -1)
	if len(rules) != strings.Count(readText(t, rulesFile), "- alert: ") || len(rules) == 0 {
		t.Fatalf("%d alerts can be read", len(rules))
	}
	fired := map[string]bool{}
	for _, m := range firing.FindAllStringSubmatch(readText(t, rulesTests), -1) {
		fired[m[1]] = true
	}
	for _, m := range rules {
		checkNames(t, m[1], strings.ReplaceAll(m[2], "''", "'"))
		if !fired[m[1]] {
			t.Errorf("in no test does %s fire", m[1])
		}
	}
	promtool(t, "check", "rules", rulesFile)
	promtool(t, "test", "rules", rulesTests)
}

// dashboard is the part of a dashboard that this test reads.
type dashboard struct {
	UID    string
	Panels []struct {
		ID      int
		Type    string
		Title   string
		GridPos struct{ H, W, X, Y int }
		Targets []struct{ RefID, Expr string }
	}
	Annotations struct{ List []struct{ Expr string } }
	Templating  struct {
		List []struct{ Name, Definition string }
	}
}

// TestDashboard: each expression is valid and names existing metrics, and no panels overlap.
func TestDashboard(t *testing.T) {
	var d dashboard
	if err := json.Unmarshal([]byte(readText(t, dashboardFile)), &d); err != nil {
		t.Fatal(err)
	}
	var exprs []string
	ids, cells := map[int]bool{}, map[[2]int]string{}
	for _, p := range d.Panels {
		if ids[p.ID] {
			t.Errorf("two panels have the id %d", p.ID)
		}
		ids[p.ID] = true
		for x := p.GridPos.X; x < p.GridPos.X+p.GridPos.W; x++ {
			for y := p.GridPos.Y; y < p.GridPos.Y+p.GridPos.H; y++ {
				if other := cells[[2]int{x, y}]; other != "" || x >= 24 {
					t.Fatalf("%q overlaps %q, or is beyond the edge", p.Title, other)
				}
				cells[[2]int{x, y}] = p.Title
			}
		}
		if p.Type != "row" && len(p.Targets) == 0 {
			t.Errorf("%q shows nothing", p.Title)
		}
		for _, target := range p.Targets {
			checkNames(t, p.Title, target.Expr)
			exprs = append(exprs, target.Expr)
		}
	}
	for _, a := range d.Annotations.List {
		checkNames(t, "annotation", a.Expr)
		exprs = append(exprs, a.Expr)
	}
	defined := map[string]bool{"__rate_interval": true}
	for _, v := range d.Templating.List {
		defined[v.Name] = true
		if q, isQuery := strings.CutPrefix(v.Definition, "label_values("); isQuery {
			checkNames(t, v.Name, q[:strings.LastIndex(q, ",")])
		}
	}
	rules := "groups:\n- name: dashboard\n  rules:\n"
	for i, e := range exprs {
		for _, v := range regexp.MustCompile(`\$(\w+)`).FindAllStringSubmatch(e, -1) {
			if !defined[v[1]] {
				t.Errorf("there is no variable %s: %s", v[0], e)
			}
		}
		rules += fmt.Sprintf("  - record: expression:%d\n    expr: '%s'\n", i, strings.ReplaceAll(strings.ReplaceAll(e, "$__rate_interval", "5m"), "'", "''"))
	}
	path := filepath.Join(t.TempDir(), "dashboard.rules.yml")
	if err := os.WriteFile(path, []byte(rules), 0o600); err != nil {
		t.Fatal(err)
	}
	promtool(t, "check", "rules", path)
}

// TestCheckNamesFindsUnknownNames: otherwise the two tests above would check nothing.
func TestCheckNamesFindsUnknownNames(t *testing.T) {
	for name, known := range map[string]bool{"tcpctl_sessions_active": true, "tcpctl_session_active": false, "tcpctl_connect_duration_seconds": false,
		"tcpctl_connect_duration_seconds_bucket": true, "tcpctl_hook_duration_seconds_sum": true, "tcpctl_hook_duration_seconds_bucket": false} {
		if _, ok := expected(name); ok != known {
			t.Errorf("%s is known: %v", name, ok)
		}
	}
}
