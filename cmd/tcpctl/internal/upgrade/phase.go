package upgrade

// phase is how far a handover is, as one of its two processes sees it.
type phase uint8

const (
	offered   phase = iota // the successor has the offer and opens what is in it; the predecessor accepts
	started                // the successor has it open; the predecessor accepts no more, and nobody does yet
	accepting              // the successor accepts; the predecessor keeps the descriptors
	settled                // the successor has lived for a while, and asks for the rest
	released               // committed: the predecessor has nothing but its sessions
	failed                 // the successor has gone, or has to; it is as if nothing had been
)

var phaseNames = [...]string{"offered", "started", "accepting", "settled", "released", "failed"}

func (p phase) String() string { return phaseNames[p] }

// event is what one of the two hears.
type event uint8

const (
	isReady     event = iota // successor: everything is open
	isAccepting              // successor: it accepts
	isSettled                // successor: nothing has happened to it for a while
	mayGo                    // predecessor: it accepts no more
	hasReleased              // predecessor: it has let go
	hasFailed                // the other cannot, or has said what nobody expects
	hasDied                  // the other; heard for as long as one listens
	isLate                   // the deadline of the phase is over
	isStopped                // somebody wants this process to end; or the predecessor has said so
	eventCount
)

// act is what one of the two does.
type act uint8

const (
	stopListening act = iota // predecessor: accept no more; the descriptors stay
	sayGo                    // with all that the engine knows now
	yield                    // the control socket and the metrics to the successor
	release                  // the descriptors, the mesh, and the name of main process
	kill                     // the successor and all that it has started
	resume                   // accept again, and answer on the control socket
	sayStop                  // the successor is to end, too

	sayReady // successor
	accept   // clients, requests
	sayAccepting
	saySettled
	own // the mesh, and the name of main process
	stop
	sayFailed
)

// asPredecessor is what the process does that hands over.
func (p phase) asPredecessor(e event) (phase, []act) {
	switch {
	case p == offered && e == isReady:
		return started, []act{stopListening, sayGo}
	case p == started && e == isAccepting:
		return accepting, []act{yield}
	case p == accepting && e == isSettled:
		return released, []act{release}
	case p == accepting && e == isStopped:
		return failed, []act{sayStop}
	case p == offered:
		return failed, []act{kill}
	case p == started, p == accepting:
		return failed, []act{kill, resume}
	}
	return p, nil
}

// asSuccessor is what the process does that takes over. One whose predecessor
// has died goes on alone.
func (p phase) asSuccessor(e event) (phase, []act) {
	switch {
	case p == offered && e == isReady:
		return started, []act{sayReady}
	case p == offered && e == hasDied:
		return offered, nil // and hears it again once everything is open
	case p == started && (e == mayGo || e == hasDied):
		return accepting, []act{accept, sayAccepting}
	case p == accepting && e == isSettled:
		return settled, []act{saySettled}
	case (p == accepting || p == settled) && e == isStopped:
		return released, []act{stop}
	case p == accepting && e == hasDied, p == settled: // that stands still, too, is no reason to wait
		return released, []act{own}
	case p == offered, p == started:
		return failed, []act{sayFailed}
	}
	return p, nil
}
