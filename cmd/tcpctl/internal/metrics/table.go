package metrics

import (
	"math"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tcpctl/tcpctl/proxy"
)

// metric is one number of a service, backend or source.
type metric[T any] struct {
	desc  *prometheus.Desc
	kind  prometheus.ValueType
	value func(*T) float64 // returns absent if it does not apply
}

var absent = math.NaN()

func ofService(kind prometheus.ValueType, name, help string, value func(*proxy.ServiceInfo) float64) metric[proxy.ServiceInfo] {
	return metric[proxy.ServiceInfo]{desc(typeOf[kind], name, help, "service"), kind, value}
}

func ofBackend(kind prometheus.ValueType, name, help string, value func(*proxy.BackendInfo) float64) metric[proxy.BackendInfo] {
	return metric[proxy.BackendInfo]{desc(typeOf[kind], name, help, "service", "backend"), kind, value}
}

const (
	counter = prometheus.CounterValue
	gauge   = prometheus.GaugeValue
)

type (
	svc = proxy.ServiceInfo
	bck = proxy.BackendInfo
)

var serviceMetrics = []metric[svc]{
	ofService(gauge, "tcpctl_sessions_active", "Sessions that were admitted and have not ended.",
		func(s *svc) float64 { return float64(s.Sessions.Active) }),
	ofService(gauge, "tcpctl_sessions_bypass", "Active sessions that bypass a pause.",
		func(s *svc) float64 { return float64(s.Sessions.Bypass) }),
	ofService(counter, "tcpctl_sessions_total", "Clients accepted.",
		func(s *svc) float64 { return float64(s.Sessions.Total) }),
	ofService(gauge, "tcpctl_sessions_max", "Most sessions of the service that may be active; absent without a limit.",
		func(s *svc) float64 { return unlessZero(s.Sessions.Max) }),
	ofService(counter, "tcpctl_redispatches_total", "Immediate dials to another backend after a failed dial.",
		func(s *svc) float64 { return float64(s.Sessions.Redispatched) }),
	ofService(counter, "tcpctl_sessions_failed_total", "Clients that were held or waiting and were not served.",
		func(s *svc) float64 { return float64(s.Sessions.Failed) }),
	ofService(counter, "tcpctl_sessions_cut_total", "Live sessions ended by tcpctl or by the death of their backend.",
		func(s *svc) float64 { return float64(s.Sessions.Cut) }),
	ofService(counter, "tcpctl_sessions_rejected_total", "Clients refused before they were queued.",
		func(s *svc) float64 { return float64(s.Sessions.Rejected) }),
	ofService(counter, "tcpctl_in_bytes_total", "Bytes from clients.",
		func(s *svc) float64 { return float64(s.BytesIn) }),
	ofService(counter, "tcpctl_out_bytes_total", "Bytes to clients.",
		func(s *svc) float64 { return float64(s.BytesOut) }),

	ofService(gauge, "tcpctl_queue_waiting", "Clients in the queue.",
		func(s *svc) float64 { return float64(s.Queue.Waiting) }),
	ofService(gauge, "tcpctl_queue_oldest_seconds", "How long the first client in the queue has waited.",
		func(s *svc) float64 { return s.Queue.OldestSeconds }),
	ofService(gauge, "tcpctl_queue_max", "Most clients that may wait; absent without a limit.",
		func(s *svc) float64 { return unlessZero(s.Queue.Max) }),
	ofService(counter, "tcpctl_queue_granted_total", "Clients admitted after waiting.",
		func(s *svc) float64 { return float64(s.Queue.Granted) }),
	ofService(counter, "tcpctl_queue_abandoned_total", "Clients that went away before they were admitted.",
		func(s *svc) float64 { return float64(s.Queue.Abandoned) }),
	ofService(counter, "tcpctl_queue_timed_out_total", "Clients that reached the queue timeout.",
		func(s *svc) float64 { return float64(s.Queue.TimedOut) }),
	ofService(counter, "tcpctl_queue_kicked_total", "Waiting clients kicked by an operator.",
		func(s *svc) float64 { return float64(s.Queue.Kicked) }),

	ofService(gauge, "tcpctl_lock_slots", "Slots of the lock; absent without one.",
		func(s *svc) float64 { return ofLock(s, func(l *proxy.LockInfo) int { return l.Slots }) }),
	ofService(gauge, "tcpctl_lock_slots_in_use", "Slots that sessions hold; absent without a lock.",
		func(s *svc) float64 { return ofLock(s, func(l *proxy.LockInfo) int { return l.InUse }) }),
	ofService(gauge, "tcpctl_hook_blocking", "1 while a hook keeps clients waiting; absent without hooks.",
		func(s *svc) float64 {
			return ofHook(s, func(h *proxy.HookInfo) float64 { return truth(h.State != proxy.HookIdle) })
		}),
	ofService(gauge, "tcpctl_hook_consecutive_failures", "Consecutive failures of the hook that runs now or ran last; absent without hooks.",
		func(s *svc) float64 { return ofHook(s, func(h *proxy.HookInfo) float64 { return float64(h.Failed) }) }),
	ofService(counter, "tcpctl_hook_runs_total", "Hook runs; absent without hooks.",
		func(s *svc) float64 { return ofHook(s, func(h *proxy.HookInfo) float64 { return float64(h.Runs) }) }),
	ofService(counter, "tcpctl_hook_failures_total", "Hook runs that failed or could not start in time; absent without hooks.",
		func(s *svc) float64 { return ofHook(s, func(h *proxy.HookInfo) float64 { return float64(h.Fails) }) }),
	ofService(gauge, "tcpctl_pause_deadline_timestamp_seconds", "When the pause ends by itself; absent without a pause.",
		func(s *svc) float64 {
			if s.Pause == nil {
				return absent
			}
			return timestamp(s.Pause.Until)
		}),
	ofService(gauge, "tcpctl_pause_overdue", "1 while a window's command still runs after the pause's deadline, 0 during any other pause; absent without a pause.",
		func(s *svc) float64 {
			if s.Pause == nil {
				return absent
			}
			return truth(s.Pause.Overdue)
		}),
}

// histograms are the services' histograms, since the start.
var histograms = []struct {
	desc  *prometheus.Desc
	value func(*svc) proxy.Histogram
}{
	{desc(histogram, "tcpctl_connect_duration_seconds", "Connect time of successful dials.", "service"),
		func(s *svc) proxy.Histogram { return s.Times.Connect }},
	{desc(histogram, "tcpctl_queue_wait_duration_seconds", "How long admitted clients waited, including those admitted at once.", "service"),
		func(s *svc) proxy.Histogram { return s.Times.Wait }},
	{desc(histogram, "tcpctl_session_duration_seconds", "Time from accept to end of sessions that reached a backend.", "service"),
		func(s *svc) proxy.Histogram { return s.Times.Session }},
}

// backendMetrics are labelled with the service and the backend.
var backendMetrics = []metric[bck]{
	ofBackend(gauge, "tcpctl_backend_eligible", "1 if the backend can get new sessions.",
		func(b *bck) float64 { return truth(b.Eligible) }),
	ofBackend(gauge, "tcpctl_backend_check_ok", "1 if the last check passed; absent before the first.",
		func(b *bck) float64 {
			if b.Check == nil {
				return absent
			}
			return truth(b.Check.OK)
		}),
	ofBackend(gauge, "tcpctl_backend_rtt_seconds", "Connect time of the last passed check.",
		func(b *bck) float64 {
			if b.RTTSeconds == 0 {
				return absent
			}
			return b.RTTSeconds
		}),
	ofBackend(gauge, "tcpctl_backend_state_since_timestamp_seconds", "When the state or admin state last changed.",
		func(b *bck) float64 { return timestamp(b.Since) }),
	ofBackend(counter, "tcpctl_backend_transitions_total", "How often the backend went down.",
		func(b *bck) float64 { return float64(b.Transitions) }),
	ofBackend(counter, "tcpctl_backend_ejections_total", "How often the backend was ejected because sessions failed on it.",
		func(b *bck) float64 { return float64(b.Ejections) }),
	ofBackend(gauge, "tcpctl_backend_sessions_active", "Sessions on the backend, including those still connecting.",
		func(b *bck) float64 { return float64(b.Active) }),
	ofBackend(gauge, "tcpctl_backend_sessions_peak", "Most sessions that were active at a time.",
		func(b *bck) float64 { return float64(b.Peak) }),
	ofBackend(gauge, "tcpctl_backend_sessions_max", "Most sessions that may be active; absent without a limit.",
		func(b *bck) float64 { return unlessZero(b.MaxSessions) }),
	ofBackend(counter, "tcpctl_backend_sessions_total", "Sessions that reached the backend.",
		func(b *bck) float64 { return float64(b.Total) }),
	ofBackend(counter, "tcpctl_backend_connect_failures_total", "Dials that did not reach the backend.",
		func(b *bck) float64 { return float64(b.Failed) }),
	ofBackend(gauge, "tcpctl_backend_drain_sessions_remaining", "Sessions that a drain still waits for; absent without a drain.",
		func(b *bck) float64 {
			if b.Drain == nil {
				return absent
			}
			return float64(b.Drain.Remaining)
		}),
	ofBackend(gauge, "tcpctl_backend_weight", "The backend's share of new sessions.",
		func(b *bck) float64 { return float64(b.Weight) }),
	ofBackend(gauge, "tcpctl_backend_priority", "Backends of priority 1 serve when none of priority 0 is up and ready.",
		func(b *bck) float64 { return float64(b.Priority) }),
	ofBackend(counter, "tcpctl_backend_in_bytes_total", "Bytes from clients to the backend.",
		func(b *bck) float64 { return float64(b.BytesIn) }),
	ofBackend(counter, "tcpctl_backend_out_bytes_total", "Bytes from the backend to clients.",
		func(b *bck) float64 { return float64(b.BytesOut) }),
}

func unlessZero(n int) float64 {
	if n == 0 {
		return absent
	}
	return float64(n)
}

func ofHook(s *svc, value func(*proxy.HookInfo) float64) float64 {
	if s.Hook == nil {
		return absent
	}
	return value(s.Hook)
}

func ofLock(s *svc, value func(*proxy.LockInfo) int) float64 {
	if s.Lock == nil {
		return absent
	}
	return float64(value(s.Lock))
}
