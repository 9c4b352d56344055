package proxy

// Descriptors divides the descriptors that a process may have open. Two for
// each session; the reserve is for all else. Listeners that are not for
// clients of services are bounded within the reserve, so that a flood of one of
// them cannot take what sessions need.
type Descriptors struct {
	Sessions int // that can be open at once
	Control  int // connections to the control socket
	Metrics  int // connections to /metrics
	Checks   int // of backends, under way at once
	Mesh     int // connections to and from nodes that have proved no secret
	Files    int // connections for files beside a Protocol, each with a file of its own
}

// reserveLeast is the reserve where the limit is an ordinary one: 64 are for
// the pipes of splicing, 40 for the control socket and for metrics, the rest
// for logs, programs and checks.
const reserveLeast = 192

// NewDescriptors divides what the system allows this process. With
// maxSessions > 0 there are that many sessions.
func NewDescriptors(maxSessions int) Descriptors {
	return divideDescriptors(descriptorLimit(), maxSessions)
}

func divideDescriptors(limit, maxSessions int) Descriptors {
	reserve := min(limit/3, max(reserveLeast, limit/16))
	d := Descriptors{Sessions: maxSessions, Checks: max(reserve/4, 4),
		Mesh: min(max(reserve/4, 8), 512), Control: min(max(reserve/6, 4), 64), Metrics: min(max(reserve/24, 2), 16), Files: min(max(reserve/12, 1), 64)}
	if d.Sessions <= 0 {
		d.Sessions = (limit - reserve) / 2
	}
	return d
}
