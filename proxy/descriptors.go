package proxy

// Descriptors divides the file descriptors that a process may have open: two for
// each session, and a reserve for everything else. Listeners other than those of
// services are bounded within the reserve, so that a flood of connections to one
// of them cannot take descriptors from sessions.
type Descriptors struct {
	Sessions int // most sessions at a time
	Control  int // connections to the control socket
	Metrics  int // connections to /metrics
	Checks   int // checks of backends in progress at a time
	Mesh     int // connections with nodes that have not proved the secret
	Files    int // connections for files beside a Protocol, each with an open file
}

// reserveLeast is the reserve under an ordinary limit: 64 for the pipes of splicing, 40
// for the control socket and metrics, the rest for logs, programs and checks.
const reserveLeast = 192

// NewDescriptors divides the file descriptors that the system allows this
// process. If maxSessions is positive, it is the number of sessions.
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
