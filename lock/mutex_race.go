//go:build race

package lock

import "sync"

// mutex lets readers run at the same time, ordered only with writers, so that the
// race detector finds a write inside Queue.View.
type mutex = sync.RWMutex
