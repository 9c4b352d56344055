package history

import (
	"math"
	"time"

	"github.com/tcpctl/tcpctl/proxy"
)

// serviceCounts returns the columns of a service's step: what was counted since the previous
// snapshot. longest is the longest wait that ended.
func serviceCounts(was, is *proxy.ServiceInfo, longest time.Duration) []any {
	waited := func(q *proxy.QueueInfo) int64 { return q.Granted + q.Abandoned + q.TimedOut + q.Kicked }
	connects := grown(was.Times.Connect.Count(), is.Times.Connect.Count())
	micros := int64(math.Round(1e6 * (is.Times.Connect.Sum - was.Times.Connect.Sum)))
	if is.Times.Connect.Count() < was.Times.Connect.Count() {
		micros = int64(1e6 * is.Times.Connect.Sum)
	}
	wait := max(longest, time.Duration(is.Queue.OldestSeconds*float64(time.Second)))
	return []any{serviceState(is), is.Sessions.Active, is.Queue.Waiting, grown(was.Sessions.Total, is.Sessions.Total), connects,
		grown(was.Sessions.Failed, is.Sessions.Failed), grown(was.Sessions.Rejected, is.Sessions.Rejected), grown(was.Sessions.Cut, is.Sessions.Cut),
		grown(was.Queue.Abandoned, is.Queue.Abandoned), grown(waited(&was.Queue), waited(&is.Queue)),
		grown(was.BytesIn, is.BytesIn), grown(was.BytesOut, is.BytesOut), wait.Milliseconds(), max(0, micros)}
}

func backendCounts(was, is *proxy.BackendInfo) []any {
	return []any{backendState(is), is.Active, grown(was.Total, is.Total), grown(was.Failed, is.Failed),
		grown(was.BytesIn, is.BytesIn), grown(was.BytesOut, is.BytesOut), int64(is.RTTSeconds * 1e6)}
}

// grown returns by how much a counter has grown; one that is lower than before has been reset.
func grown(was, is int64) int64 {
	if is < was {
		return is
	}
	return is - was
}
