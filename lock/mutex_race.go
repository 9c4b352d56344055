//go:build race

package lock

import "sync"

// mutex lets readers run at once, ordered only with writers, so that the race
// detector finds a write made inside Queue.View.
type mutex = sync.RWMutex
