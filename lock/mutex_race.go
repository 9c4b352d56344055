//go:build race

package lock

import "sync"

// mutex lets readers run at once, ordered only with those who change, so that
// the race detector finds a change made inside Queue.View.
type mutex = sync.RWMutex
