package metrics

import (
	"context"
	"math"
	"strings"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/proxy/api"
)

// statusWait bounds how long a scrape waits for the engine.
const statusWait = 5 * time.Second

// collector makes metrics from a Status at each scrape; it has no numbers of its own.
type collector struct {
	source   api.Source
	dropped  map[string]func() uint64
	lastSeen atomic.Uint64 // number of the last event, so that a scrape asks only for newer ones
}

var _ prometheus.Collector = (*collector)(nil)

var (
	events  = desc("counter", "tcpctl_events_total", "Events since the start.")
	dropped = desc("counter", "tcpctl_dropped_total", "Log lines, events and seconds of history that were dropped instead of blocking, because they came too fast or a disk did not take them.", "what")

	serviceState = desc("gauge", "tcpctl_service_state", "1 for the current state of the service, 0 for the others; absent once a reload has removed it.", "service", "state")
	ended        = desc("counter", "tcpctl_sessions_ended_total", "Ended sessions, by the side that ended them, phase and reason.", "service", "by", "phase", "reason")
	closes       = desc("counter", "tcpctl_websocket_closes_total", "WebSocket sessions that ended after their handshake, by close code; 1006: no Close frame.", "service", "code")
	tlsFailures  = desc("counter", "tcpctl_tls_handshake_failures_total", "Failed TLS handshakes with clients and backends, except those of checks.", "service", "side", "reason")
	plans        = desc("counter", "tcpctl_plans_total", "Ended restarts, windows and rolls, by result.", "service", "kind", "result")
	hookTime     = desc(summary, "tcpctl_hook_duration_seconds", "How long hooks took, including the wait for their ready condition; absent without hooks.", "service")

	backendState  = desc("gauge", "tcpctl_backend_state", "1 for the state that checks found, 0 for the others.", "service", "backend", "state")
	backendAdmin  = desc("gauge", "tcpctl_backend_admin_state", "1 for the admin state that operators set, 0 for the others.", "service", "backend", "state")
	checkTime     = desc(summary, "tcpctl_backend_check_duration_seconds", "How long checks took, passed or failed; absent before the first.", "service", "backend")
	checkFailures = desc("counter", "tcpctl_backend_check_failures_total", "Failed checks, by reason.", "service", "backend", "reason")
)

// The possible states.
var (
	serviceStates = []string{proxy.StateOpen, proxy.StatePausing, proxy.StatePaused, proxy.StateReleasing, proxy.StateClosed}
	backendStates = []string{proxy.StateUp, proxy.StateDown, proxy.StateChecking, proxy.StateEjected}
	adminStates   = []string{proxy.AdminReady, proxy.AdminDrain, proxy.AdminMaint}
	planKinds     = []string{proxy.PlanRestart, proxy.PlanWindow, proxy.PlanRoll}
	planResults   = []string{proxy.PlanDone, proxy.PlanFailed, proxy.PlanAborted, proxy.PlanTimedOut}
)

// Describe names all that there can be.
func (c *collector) Describe(ch chan<- *prometheus.Desc) {
	for i := range families {
		ch <- families[i].desc
	}
}

// Collect asks for a Status and says it in metrics.
func (c *collector) Collect(metrics chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), statusWait)
	defer cancel()
	status, err := c.source.Status(ctx)
	if err != nil {
		metrics <- prometheus.NewInvalidMetric(nodeInfo, err)
		return
	}
	status = status.Named() // two metrics with the same labels make the whole scrape fail
	ch := out{metrics}
	ch.node(status)
	if page, err := c.source.Events(ctx, c.lastSeen.Load(), false); err == nil {
		c.lastSeen.Store(page.Last)
		ch.counter(events, float64(page.Last))
	}
	for what, count := range c.dropped {
		ch.counter(dropped, float64(count()), what)
	}
	for i := range status.Services {
		ch.service(&status.Services[i])
	}
}

type out struct{ ch chan<- prometheus.Metric }

func (o out) service(s *proxy.ServiceInfo) {
	if !s.Removing { // it is not an operator who has closed it
		o.states(serviceState, s.State, serviceStates, s.Name)
	}
	for _, m := range serviceMetrics {
		o.send(m.desc, m.kind, m.value(s), s.Name)
	}
	for _, h := range histograms {
		o.histogram(h.desc, h.value(s), s.Name)
	}
	for _, e := range s.Endings {
		o.counter(ended, float64(e.Count), s.Name, e.By, e.Phase, string(e.Reason))
	}
	for _, c := range s.Closes {
		o.counter(closes, float64(c.Count), s.Name, c.Label())
	}
	for _, f := range s.TLSFailures {
		o.counter(tlsFailures, float64(f.Count), s.Name, f.Side, string(f.Reason))
	}
	o.plans(s)
	if h := s.Hook; h != nil {
		o.summary(hookTime, h.Seconds, h.Runs, s.Name)
	}
	for i := range s.Discovery {
		for _, m := range sourceMetrics {
			o.send(m.desc, m.kind, m.value(&s.Discovery[i]), s.Name, s.Discovery[i].Name, s.Discovery[i].Kind)
		}
	}
	for i := range s.Backends {
		b := &s.Backends[i]
		o.states(backendState, b.State, backendStates, s.Name, b.Name)
		o.states(backendAdmin, b.Admin, adminStates, s.Name, b.Name)
		for _, m := range backendMetrics {
			o.send(m.desc, m.kind, m.value(b), s.Name, b.Name)
		}
		if c := b.Checks; c != nil {
			o.summary(checkTime, c.Seconds, c.Total, s.Name, b.Name)
			for _, f := range c.Failures {
				o.counter(checkFailures, float64(f.Count), s.Name, b.Name, string(f.Reason))
			}
		}
	}
}

// plans sends all combinations, so that the first failure is an increase.
func (o out) plans(s *proxy.ServiceInfo) {
	count := map[[2]string]int64{}
	for _, p := range s.Plans {
		count[[2]string{p.Kind, p.State}] += p.Count
	}
	for _, kind := range planKinds {
		for _, result := range planResults {
			o.counter(plans, float64(count[[2]string{kind, result}]), s.Name, kind, result)
		}
	}
}

// states sends one gauge for each word, of which one is 1.
func (o out) states(d *prometheus.Desc, is string, words []string, labels ...string) {
	for _, w := range words {
		o.gauge(d, truth(w == is), append(labels, w)...)
	}
}

func (o out) gauge(d *prometheus.Desc, v float64, labels ...string) {
	o.send(d, prometheus.GaugeValue, v, labels...)
}

func (o out) counter(d *prometheus.Desc, v float64, labels ...string) {
	o.send(d, prometheus.CounterValue, v, labels...)
}

// send sends one number, unless it does not apply. It skips names that are not UTF-8, which would
// make the whole scrape fail.
func (o out) send(d *prometheus.Desc, kind prometheus.ValueType, v float64, labels ...string) {
	if math.IsNaN(v) {
		return
	}
	o.ch <- prometheus.MustNewConstMetric(d, kind, v, valid(labels)...)
}

func valid(labels []string) []string {
	for i, l := range labels {
		labels[i] = strings.ToValidUTF8(l, "?")
	}
	return labels
}

// summary sends a sum of seconds, and the count.
func (o out) summary(d *prometheus.Desc, seconds float64, count int64, labels ...string) {
	o.ch <- prometheus.MustNewConstSummary(d, uint64(count), seconds, nil, valid(labels)...)
}

// histogram sends an engine's histogram; Prometheus's buckets are cumulative.
func (o out) histogram(d *prometheus.Desc, h proxy.Histogram, service string) {
	if len(h.Counts) != len(h.Bounds)+1 {
		return // an older engine has none
	}
	buckets, n := make(map[float64]uint64, len(h.Bounds)), uint64(0)
	for i, bound := range h.Bounds {
		n += uint64(h.Counts[i])
		buckets[bound] = n
	}
	n += uint64(h.Counts[len(h.Bounds)])
	o.ch <- prometheus.MustNewConstHistogram(d, n, h.Sum, buckets, strings.ToValidUTF8(service, "?"))
}

func truth(is bool) float64 {
	if is {
		return 1
	}
	return 0
}
