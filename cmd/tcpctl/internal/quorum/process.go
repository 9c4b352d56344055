package quorum

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/statedir"
	"github.com/tcpctl/tcpctl/lock/cluster"
)

// processes is how many processes of one node may hold leases beside each other: one
// that was replaced in an upgrade keeps its own for as long as it serves. The state
// knows each by the node's number with one of these as its last byte.
const processes = 256

// nodeOf is the node of a process.
func nodeOf(id cluster.NodeID) cluster.NodeID { return id &^ (processes - 1) }

// takeProcess takes a number that no other process of the node has: first, where it is
// free. Its lock is kept for as long as this process lives: who has a number later
// knows that the one before is gone, with its sessions.
func takeProcess(dir string, first int) (n int, lock *os.File, err error) {
	for i := range processes {
		n = (first + i) % processes
		f, err := os.OpenFile(filepath.Join(dir, fmt.Sprintf("process.%d", n)), os.O_RDWR|os.O_CREATE, 0o600)
		if err != nil {
			return 0, nil, fmt.Errorf("cluster: %w", err)
		}
		locked, err := statedir.Lock(f)
		if locked {
			return n, f, nil
		}
		f.Close()
		if err != nil {
			return 0, nil, fmt.Errorf("cluster: %s: %w", f.Name(), err)
		}
	}
	return 0, nil, fmt.Errorf("cluster: %d processes of this node run already", processes)
}
