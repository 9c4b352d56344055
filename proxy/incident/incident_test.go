package incident

import (
	"encoding/xml"
	"flag"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/proxy/api"
)

var update = flag.Bool("update", false, "rewrite the golden files; check the difference before you commit it")

// sample is an incident with an example of everything, and text that would do harm in a
// terminal, in Markdown and in a page.
func sample() *api.Incident {
	start := time.Date(2026, 11, 28, 2, 30, 0, 0, time.UTC)
	at := func(s int) time.Time { return start.Add(time.Duration(s) * time.Second) }
	i := &api.Incident{Node: "edge-01", Version: "v1", Since: start, Until: at(600),
		Impact:   api.Impacts{Clients: 603, Served: 600, Failed: 1, Rejected: 2, Held: 4, LongestWait: 12.5, PeakActive: 38, PeakWaiting: 4, BytesIn: 60000, BytesOut: 6000000},
		Outages:  []api.Outage{{Target: "db/a", State: proxy.StateDown, Detail: "connection refused", Since: at(120), Until: at(180), Seconds: 60}, {Target: "db", State: api.StateNoBackend, Since: at(-60), Until: at(10), Seconds: 70, Before: true}},
		Acts:     []proxy.Event{{Time: at(200), Kind: proxy.EventOperator, By: "ana@edge-01", Service: "db", Text: "drain db/b: 3 sessions remaining", Command: "tcpctl drain db/b --reason '`x` <b>'"}},
		Marks:    []proxy.Event{{Time: at(300), Kind: proxy.EventMark, By: "ana@edge-01", Text: "OPS-77 *done*\n# <script>alert(1)</script> \x1b[31m"}},
		Events:   []proxy.Event{{Time: at(120), Kind: proxy.EventBackendDown, Level: proxy.LevelAlarm, Service: "db", Backend: "a", Text: "backend db/a is down: connection refused"}},
		Reports:  []proxy.Report{{ID: "w7", Kind: proxy.PlanWindow, Service: "db", Owner: "ana", State: proxy.PlanDone, Started: at(400), Ended: at(410), Seconds: 10}},
		Gaps:     []api.Gap{{Since: at(500), Until: at(520), Reason: "tcpctl was not running"}},
		Services: []api.ServiceImpact{{Service: "db", Impacts: api.Impacts{Clients: 600, Served: 597, Failed: 1, Rejected: 2}}, {Service: "web", Impacts: api.Impacts{Clients: 3, Served: 3}}}}
	s := api.Series{Service: "db", StepSeconds: 10}
	for n := range 60 {
		if n >= 50 && n < 52 {
			continue
		}
		p := api.Point{At: at(10 * n), New: 10, Served: 10, Active: n % 39, LatencySeconds: 0.002}
		if n == 12 {
			p.Failed, p.Rejected, p.Waiting = 1, 2, 4
		}
		s.Points = append(s.Points, p)
	}
	i.Series = []api.Series{s}
	return i
}

func TestIncident(t *testing.T) {
	for name, write := range map[string]func(io.Writer, *api.Incident, Options) error{"incident.txt": Text, "incident.md": Markdown, "incident.html": HTML} {
		t.Run(name, func(t *testing.T) {
			var b strings.Builder
			if err := write(&b, sample(), Options{Zone: time.UTC}); err != nil {
				t.Fatal(err)
			}
			got := b.String()
			for bad, only := range map[string]string{"<script>": ".html .md", "\x1b": ".html .md .txt", "\n# <": ".md", " *done*": ".md"} {
				if strings.Contains(got, bad) && strings.Contains(only, filepath.Ext(name)) {
					t.Errorf("%q is in it unescaped", bad)
				}
			}
			path := filepath.Join("testdata", name)
			if *update {
				if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// TestThePageIsWhole: each tag is closed, and the page loads nothing.
func TestThePageIsWhole(t *testing.T) {
	var b strings.Builder
	if err := HTML(&b, sample(), Options{Zone: time.UTC}); err != nil {
		t.Fatal(err)
	}
	for _, outside := range []string{"src=", "href=", "@import", "url("} {
		if strings.Contains(b.String(), outside) {
			t.Errorf("it has %s", outside)
		}
	}
	d := xml.NewDecoder(strings.NewReader(b.String()))
	d.Strict, d.AutoClose, d.Entity = false, append(xml.HTMLAutoClose, "meta", "br"), xml.HTMLEntity
	paths := 0
	for {
		token, err := d.Token()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if tag, ok := token.(xml.StartElement); ok && tag.Name.Local == "path" {
			paths++
		}
	}
	if paths != 6 {
		t.Errorf("%d lines are drawn", paths)
	}
}

// TestNothingHappened is a report, too.
func TestNothingHappened(t *testing.T) {
	i := &api.Incident{Node: "edge-01", Since: time.Unix(0, 0), Until: time.Unix(60, 0)}
	for _, write := range []func(io.Writer, *api.Incident, Options) error{Text, Markdown, HTML} {
		var b strings.Builder
		if err := write(&b, i, Options{Zone: time.UTC}); err != nil || !strings.Contains(strings.ToLower(b.String()), "none") {
			t.Errorf("%v: %s", err, b.String())
		}
	}
}
