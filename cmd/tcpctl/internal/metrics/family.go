package metrics

import (
	"slices"
	"sort"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Family is one metric that /metrics can have, besides those of the Go runtime
// and the process.
type Family struct {
	Name   string
	Type   string // counter, gauge, histogram, summary
	Labels []string
	Help   string

	desc *prometheus.Desc
}

// Types of metrics, as in Family.Type.
const (
	histogram = "histogram"
	summary   = "summary" // without quantiles: a sum and a count
)

var typeOf = map[prometheus.ValueType]string{counter: "counter", gauge: "gauge"}

// families lists all metrics.
var families []Family

// desc is the only way to define a metric, so that none is missing in the list.
func desc(kind, name, help string, labels ...string) *prometheus.Desc {
	d := prometheus.NewDesc(name, help, labels, nil)
	families = append(families, Family{name, kind, labels, help, d})
	return d
}

// Families are all metrics that there can be, by name.
func Families() []Family {
	all := slices.Clone(families)
	sort.Slice(all, func(i, j int) bool { return all[i].Name < all[j].Name })
	return all
}

// Labels says what the values of each label can be, and so how many there are at most. None is of clients.
var Labels = map[string]string{
	"service": "services of the configuration", "backend": "backends of the service, including those found by sources and added by operators",
	"node": "1: this node", "version": "1: the release", "revision": "1: the commit that it was built from", "date": "1: the date of that commit", "go_version": "1: the compiler",
	"state":  "5 for services, 4 for backends, 3 for admin states, 5 for peers",
	"by":     "4: client, backend, proxy, operator",
	"phase":  "3: queue, connect, relay",
	"reason": "fixed words (proxy.Reason) that occurred so far",
	"code":   "codes of RFC 6455 below 3000, and one per thousand above, that occurred so far",
	"what":   "5 fixed words",
	"result": "2 for reloads: applied, failed; 4 for plans: done, failed, aborted, timed_out",
	"kind":   "3 for plans: restart, window, roll; 5 for sources: dns, srv, consul, exec, file",
	"side":   "2: client, backend",
	"source": "sources of the configuration",
	"file":   "certificate files of the configuration",
}

// timestamp converts a time for Prometheus; absent for the zero time.
func timestamp(t time.Time) float64 {
	if t.IsZero() {
		return absent
	}
	return float64(t.UnixMilli()) / 1000
}
