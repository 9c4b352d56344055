package quorum

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/statedir"
	"github.com/tcpctl/tcpctl/lock/cluster"
)

// processes is how many processes of one node may hold leases at a time: one that was replaced in
// an upgrade keeps its lease for as long as it serves. In the state, a process has the node's
// number with its own as the last byte.
const processes = 256

// nodeOf returns the node of a process.
func nodeOf(id cluster.NodeID) cluster.NodeID { return id &^ (processes - 1) }

// takeProcess takes a number that no other process of the node has: first, if it is free. The lock
// is held for as long as this process lives, so that a later owner of the number knows that this
// one is gone, with its sessions.
func takeProcess(dir string, first int) (n int, lock *os.File, err error) {
	for i := range processes {
		n = (first + i) % processes
		f, err := statedir.OpenLocked(filepath.Join(dir, fmt.Sprintf("process.%d", n)))
		if err != nil {
			f.Close() // may be nil
			return 0, nil, fmt.Errorf("cluster: %w", err)
		}
		if f != nil {
			return n, f, nil
		}
	}
	return 0, nil, fmt.Errorf("cluster: %d processes of this node run already", processes)
}
