package metrics

import (
	"regexp"
	"slices"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
)

// Description is one family of metrics, for a reference.
type Description struct {
	Name, Type, Help string
	Labels           []string
}

// A prometheus.Desc says what it is only as text.
var descText = regexp.MustCompile(`^Desc\{fqName: "(.*?)", help: "(.*)", constLabels: \{.*\}, variableLabels: \{(.*)\}\}$`)

// Describe lists all families that there can be.
func Describe() (all []Description) {
	var isHistogram []*prometheus.Desc
	for _, h := range histograms {
		isHistogram = append(isHistogram, h.desc)
	}
	descs := make(chan *prometheus.Desc)
	go func() {
		(&collector{}).Describe(descs)
		close(descs)
	}()
	for desc := range descs {
		m := descText.FindStringSubmatch(desc.String())
		d := Description{Name: m[1], Type: "gauge", Help: strings.ReplaceAll(m[2], `\"`, `"`)}
		if m[3] != "" {
			d.Labels = strings.Split(m[3], ",")
		}
		switch {
		case slices.Contains(isHistogram, desc):
			d.Type = "histogram"
		case strings.HasSuffix(d.Name, "_total"): // as Prometheus has it; a test compares with what is collected
			d.Type = "counter"
		}
		all = append(all, d)
	}
	return all
}
