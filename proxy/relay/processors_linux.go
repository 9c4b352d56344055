package relay

import (
	"runtime"
	"sync"
)

// processors adds one of Go's processors for each loop. A loop waits in the
// kernel without telling the runtime, and so keeps the one it has: nobody else
// could run on it, and where all are kept nobody would look for the bytes of
// all other connections. (The runtime does not follow a change of the
// container's cpu limit any more once the number was set.)
var processors lending

type lending struct {
	mu   sync.Mutex
	lent int
}

// own is how many there are besides those that were lent.
func (p *lending) own() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return runtime.GOMAXPROCS(0) - p.lent
}

// lend adds n; a negative n takes them back.
func (p *lending) lend(n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.lent += n
	runtime.GOMAXPROCS(runtime.GOMAXPROCS(0) + n)
}
