package reference

import (
	"fmt"
	"strings"

	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/metrics"
)

func metricsList() []byte {
	all := metrics.Describe()
	m := newMarkdown("Metrics", fmt.Sprintf("What `GET /metrics` has for Prometheus, where `[metrics]` has a `listen` address: %d families, besides those of the Go runtime and the process. "+
		"`/healthz` answers 200 while the process works, `/readyz` while it serves. A metric that does not apply is absent, not 0.", len(all)))
	var rows [][]string
	for _, d := range all {
		rows = append(rows, []string{code(d.Name), d.Type, code(strings.Join(d.Labels, ", ")), d.Help})
	}
	m.table([]string{"Metric", "Type", "Labels", "Meaning"}, rows)
	return m.Bytes()
}
