package upgrade

// phase is how far a handover has come, as one of its two processes sees it.
type phase uint8

const (
	offered   phase = iota // the successor opens what is in the offer; the predecessor accepts
	started                // the successor has opened everything; the predecessor no longer accepts, the successor not yet
	accepting              // the successor accepts; the predecessor keeps the descriptors
	settled                // the successor has run for a while, and asks for everything else
	released               // committed: the predecessor has only its sessions
	failed                 // the successor has ended or is being killed; the predecessor serves as before
)

var phaseNames = [...]string{"offered", "started", "accepting", "settled", "released", "failed"}

func (p phase) String() string { return phaseNames[p] }

// event is an input of either process's state machine.
type event uint8

const (
	isReady     event = iota // successor: everything is open
	isAccepting              // successor: it accepts
	isSettled                // successor: it has run for a while without trouble
	mayGo                    // predecessor: it no longer accepts
	hasReleased              // predecessor: it has released everything
	hasFailed                // the other has failed, or sent something unexpected
	hasDied                  // the other has died; only while the link is open
	isLate                   // the deadline of the phase has passed
	isStopped                // this process must end, by a signal or because the predecessor says so
)

// act is an action of either process.
type act uint8

const (
	stopListening act = iota // predecessor: stop accepting; keep the descriptors
	sayGo                    // with the engine's current state
	yield                    // pass the control socket and the metrics to the successor
	release                  // give up the descriptors, the mesh, and the role of main process
	kill                     // the successor and everything that it started
	resume                   // accept again, and answer on the control socket
	sayStop                  // the successor must end, too

	sayReady // successor
	accept   // clients and requests
	sayAccepting
	saySettled
	own // take the mesh, and the role of main process
	stop
	sayFailed
)

// asPredecessor returns the next phase and actions of the process that hands over.
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

// asSuccessor returns the next phase and actions of the process that takes over. If its predecessor
// dies, it continues alone.
func (p phase) asSuccessor(e event) (phase, []act) {
	switch {
	case p == offered && e == isReady:
		return started, []act{sayReady}
	case p == offered && e == hasDied:
		return offered, nil // the event comes again once everything is open
	case p == started && (e == mayGo || e == hasDied):
		return accepting, []act{accept, sayAccepting}
	case p == accepting && e == isSettled:
		return settled, []act{saySettled}
	case (p == accepting || p == settled) && e == isStopped:
		return released, []act{stop}
	case p == accepting && e == hasDied, p == settled: // nor does it wait for an unresponsive predecessor
		return released, []act{own}
	case p == offered, p == started:
		return failed, []act{sayFailed}
	}
	return p, nil
}
