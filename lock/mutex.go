//go:build !race

package lock

import "sync"

// mutex guards a queue. Its read lock is the lock itself: the queue is locked too
// briefly for readers to gain by running at the same time, and a sync.RWMutex
// costs writers more.
type mutex struct{ sync.Mutex }

func (m *mutex) RLock()   { m.Lock() }
func (m *mutex) RUnlock() { m.Unlock() }
