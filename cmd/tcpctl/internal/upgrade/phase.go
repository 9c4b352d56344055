package upgrade

// phase is how far a handover is, as one of its two processes sees it.
type phase uint8

const (
	offered   phase = iota // the successor has the offer and opens what is in it; the predecessor accepts
	started                // the successor has it open; the predecessor accepts no more, and the successor does not yet
	accepting              // the successor accepts; the predecessor keeps the descriptors
	settled                // the successor has lived for a while, and asks for all else
	released               // committed: the predecessor has nothing but its sessions
	failed                 // the successor has ended, or is killed; the predecessor serves as before
)

var phaseNames = [...]string{"offered", "started", "accepting", "settled", "released", "failed"}

func (p phase) String() string { return phaseNames[p] }

// event is what one of the two is notified of.
type event uint8

const (
	isReady     event = iota // successor: everything is open
	isAccepting              // successor: it accepts
	isSettled                // successor: it has run for a while without trouble
	mayGo                    // predecessor: it accepts no more
	hasReleased              // predecessor: it has released everything
	hasFailed                // the other cannot, or has sent something unexpected
	hasDied                  // the other; for as long as the link is open
	isLate                   // the deadline of the phase is over
	isStopped                // this process is to end, by a signal or because the predecessor says so
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
// has died continues alone.
func (p phase) asSuccessor(e event) (phase, []act) {
	switch {
	case p == offered && e == isReady:
		return started, []act{sayReady}
	case p == offered && e == hasDied:
		return offered, nil // and gets it again once everything is open
	case p == started && (e == mayGo || e == hasDied):
		return accepting, []act{accept, sayAccepting}
	case p == accepting && e == isSettled:
		return settled, []act{saySettled}
	case (p == accepting || p == settled) && e == isStopped:
		return released, []act{stop}
	case p == accepting && e == hasDied, p == settled: // an unresponsive one, too, is no reason to wait
		return released, []act{own}
	case p == offered, p == started:
		return failed, []act{sayFailed}
	}
	return p, nil
}
