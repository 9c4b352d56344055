package reference

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/metrics"
)

func metricsList() []byte {
	all := metrics.Families()
	m := newMarkdown("Metrics", fmt.Sprintf("`GET /metrics` on the `listen` address of `[metrics]` serves %d metrics to Prometheus, besides those of the Go runtime and the process. "+
		"`/healthz` answers 200 while the process works, `/readyz` while it serves clients. A metric that does not apply is absent, not 0.", len(all)))
	var rows [][]string
	for _, d := range all {
		rows = append(rows, []string{code(d.Name), d.Type, code(strings.Join(d.Labels, ", ")), d.Help})
	}
	m.table([]string{"Metric", "Type", "Labels", "Meaning"}, rows)
	m.heading(2, "Labels")
	m.text("No label has the address or name of a client. The number of values of each label:")
	rows = nil
	for _, l := range slices.Sorted(maps.Keys(metrics.Labels)) {
		rows = append(rows, []string{code(l), metrics.Labels[l]})
	}
	m.table([]string{"Label", "Values"}, rows)
	return m.Bytes()
}
