package metrics

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/build"
	"github.com/tcpctl/tcpctl/mesh/meshinfo"
	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/proxy/api"
)

// Metrics of the node as a whole.
var (
	nodeInfo  = desc("gauge", "tcpctl_node_info", "Always 1; name and version of this node.", "node", "version")
	buildInfo = desc("gauge", "tcpctl_build_info", "Always 1; release, commit, commit date and compiler of the binary.", "version", "revision", "date", "go_version")

	reloadOK   = desc("gauge", "tcpctl_config_last_reload_successful", "1 if the last reload was applied, or there was none since the start; absent without a configuration file.")
	reloadTime = desc("gauge", "tcpctl_config_last_reload_success_timestamp_seconds", "When the configuration took effect; absent without a configuration file.")
	reloads    = desc("counter", "tcpctl_config_reloads_total", "Reloads, by result; absent without a configuration file.", "result")

	certificate   = desc("gauge", "tcpctl_certificate_expiry_timestamp_seconds", "When the certificate that the service's clients get now expires.", "service", "file")
	peers         = desc("gauge", "tcpctl_mesh_peers", "Other nodes of the mesh, by state; down: lost, departed: left with a goodbye. Absent without a mesh.", "state")
	historyBroken = desc("gauge", "tcpctl_history_failing", "1 while the history cannot be written.")
	historySize   = desc("gauge", "tcpctl_history_size_bytes", "Size of the history on disk; absent if it is in memory or off.")
)

// peerStates are the states of tcpctl_mesh_peers.
var peerStates = []string{string(meshinfo.Alive), string(meshinfo.Suspect), string(meshinfo.Down), string(meshinfo.Departed), string(meshinfo.Refused)}

// node sends the metrics of the node as a whole.
func (o out) node(s *api.Status) {
	o.gauge(nodeInfo, 1, s.Node.Name, s.Node.Version)
	o.gauge(buildInfo, 1, binary.Version, binary.Commit, binary.Date, binary.Go)
	if r := s.Node.Reload; r != nil {
		o.gauge(reloadOK, truth(r.OK))
		o.gauge(reloadTime, timestamp(r.LoadedAt))
		o.counter(reloads, float64(r.Applied), "applied")
		o.counter(reloads, float64(r.Failed), "failed")
	}
	for i := range s.Certificates {
		c := &s.Certificates[i]
		o.gauge(certificate, timestamp(c.NotAfter), c.Name, c.File)
	}
	if s.Mesh != nil {
		o.peers(s.Mesh.Peers)
	}
	if h := s.History; h != nil {
		o.gauge(historyBroken, truth(h.Failed != ""))
		if h.Bytes > 0 {
			o.gauge(historySize, float64(h.Bytes))
		}
	}
}

func (o out) peers(all []api.Peer) {
	count := map[string]int{}
	for i := range all {
		state := string(all[i].State)
		if all[i].State == meshinfo.Down && all[i].Cause == meshinfo.Departed {
			state = string(meshinfo.Departed)
		}
		count[state]++
	}
	for _, state := range peerStates {
		o.gauge(peers, float64(count[state]), state)
	}
}

// binary says what this process was built from.
var binary = build.This()

func ofSource(kind prometheus.ValueType, name, help string, value func(*proxy.DiscoveryInfo) float64) metric[proxy.DiscoveryInfo] {
	return metric[proxy.DiscoveryInfo]{desc(typeOf[kind], name, help, "service", "source", "kind"), kind, value}
}

// sourceMetrics are the metrics of sources of backends.
var sourceMetrics = []metric[proxy.DiscoveryInfo]{
	ofSource(gauge, "tcpctl_source_backends", "Backends that the source contributes now.",
		func(d *proxy.DiscoveryInfo) float64 { return float64(d.Backends) }),
	ofSource(gauge, "tcpctl_source_held_backends", "Backends missing from the last answer that are kept for now, because they are more than half.",
		func(d *proxy.DiscoveryInfo) float64 {
			if d.Held == nil {
				return 0
			}
			return float64(len(d.Held.Missing))
		}),
	ofSource(gauge, "tcpctl_source_failing", "1 while the source does not answer.",
		func(d *proxy.DiscoveryInfo) float64 { return truth(d.Error != "") }),
	ofSource(counter, "tcpctl_source_failures_total", "Queries that the source did not answer.",
		func(d *proxy.DiscoveryInfo) float64 { return float64(d.Failures) }),
	ofSource(gauge, "tcpctl_source_last_answer_timestamp_seconds", "When the source last answered; absent before the first answer.",
		func(d *proxy.DiscoveryInfo) float64 {
			if d.At == nil {
				return absent
			}
			return timestamp(*d.At)
		}),
}
